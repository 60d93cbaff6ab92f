using System.Net.Sockets;

namespace Ipcs.Blockstore.Posix;

/// <summary>The send buffer of Unix sockets: how much the kernel takes before the other side has read it.</summary>
public static class SocketBuffers
{
    /// <summary>
    /// In bytes. With the kernel's default of about 200 KB the sender is woken so often that the rate drops to two thirds.
    /// </summary>
    private const int Length = 4 << 20;

    // SOL_SOCKET and SO_SNDBUFFORCE: https://man7.org/linux/man-pages/man7/socket.7.html
    private const int SocketLevel = 1, SendBufferForce = 32;

    /// <summary>Enlarges the send buffer as far as the system allows.</summary>
    public static void Enlarge(Socket connection)
    {
        try
        {
            connection.SetRawSocketOption(SocketLevel, SendBufferForce, BitConverter.GetBytes(Length));
        }
        catch (SocketException)
        {
            // Without CAP_NET_ADMIN the size is limited to net.core.wmem_max.
            connection.SendBufferSize = Length;
        }
    }
}
