using System.Net.Sockets;
using Ipcs.Blockstore.Posix;

namespace Ipcs.Node.Listeners;

/// <summary>
/// Prepares the path of a unix socket and restricts access: folder 0750, socket 0660. Whoever can write to the content socket controls what
/// containerd runs as root.
/// </summary>
internal static class UnixListener
{
    private const UnixFileMode FolderMode = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute
        | UnixFileMode.GroupRead | UnixFileMode.GroupExecute;

    private const UnixFileMode SocketMode =
        UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.GroupWrite;

    /// <summary>Creates the folder, and removes the socket of a daemon that has died.</summary>
    /// <exception cref="IOException">A running daemon has the socket, or the path is another kind of file.</exception>
    public static void Prepare(string path)
    {
        string folder = Path.GetDirectoryName(path)!;
        if (!Directory.Exists(folder))
        {
            // The second call, since the umask restricts the mode of the first.
            Directory.CreateDirectory(folder, FolderMode);
            File.SetUnixFileMode(folder, FolderMode);
        }

        if (!Path.Exists(path))
        {
            return;
        }

        // A connection to a plain file fails as one to a dead socket does, so the kind is checked first.
        if (!FileKind.IsSocket(path))
        {
            throw new IOException($"{path} exists and is not a socket");
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
            throw new IOException($"{path}: cannot check whether a daemon is running: {e.Message}", e);
        }

        throw new IOException($"{path} is in use by a running daemon");
    }

    /// <summary>Sets the mode of a bound socket.</summary>
    public static void Restrict(string path) => File.SetUnixFileMode(path, SocketMode);
}
