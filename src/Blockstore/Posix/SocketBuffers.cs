using System.Net.Sockets;

namespace Ipcs.Blockstore.Posix;

/// <summary>How much the kernel takes of what is sent through a Unix socket before the other side has read it.</summary>
public static class SocketBuffers
{
    /// <summary>In bytes. A sender that is woken for each 200 KB, the kernel's own size, gets two thirds of the rate.</summary>
    private const int Length = 4 << 20;

    // SOL_SOCKET and SO_SNDBUFFORCE: https://man7.org/linux/man-pages/man7/socket.7.html
    private const int SocketLevel = 1, SendBufferForce = 32;

    /// <summary>Makes it as large as the system allows.</summary>
    public static void Enlarge(Socket connection)
    {
        try
        {
            connection.SetRawSocketOption(SocketLevel, SendBufferForce, BitConverter.GetBytes(Length));
        }
        catch (SocketException)
        {
            // Without the right to go beyond net.core.wmem_max, that much.
            connection.SendBufferSize = Length;
        }
    }
}
