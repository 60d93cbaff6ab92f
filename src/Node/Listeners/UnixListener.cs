using System.Net.Sockets;
using Ipcs.Blockstore.Posix;

namespace Ipcs.Node.Listeners;

/// <summary>Readies the place of a unix socket and closes it to strangers: folder 0750, socket 0660 (who may write to it is root).</summary>
internal static class UnixListener
{
    private const UnixFileMode FolderMode = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute
        | UnixFileMode.GroupRead | UnixFileMode.GroupExecute;

    private const UnixFileMode SocketMode = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.GroupWrite;

    /// <summary>Makes the folder, and removes a socket that a dead daemon left behind.</summary>
    /// <exception cref="IOException">A living daemon answers there, or the place is taken by something else.</exception>
    public static void Prepare(string path)
    {
        string folder = Path.GetDirectoryName(path)!;
        if (!Directory.Exists(folder))
        {
            // The second call, since the first one's mode is lessened by the umask.
            Directory.CreateDirectory(folder, FolderMode);
            File.SetUnixFileMode(folder, FolderMode);
        }

        if (!Path.Exists(path))
        {
            return;
        }

        // Connecting would not tell: a plain file refuses as a dead socket does.
        if (!FileKind.IsSocket(path))
        {
            throw new IOException($"{path} is there and is no socket");
        }

        using var probe = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            probe.Connect(new UnixDomainSocketEndPoint(path));
        }
        catch (SocketException e) when (e.SocketErrorCode == SocketError.ConnectionRefused)
        {
            File.Delete(path);
            return;
        }
        catch (SocketException e)
        {
            throw new IOException($"{path}: whether a daemon lives there can't be told: {e.Message}", e);
        }

        throw new IOException($"{path} is in use by a running daemon");
    }

    /// <summary>Sets the socket's mode, once it is bound.</summary>
    public static void Restrict(string path) => File.SetUnixFileMode(path, SocketMode);
}
