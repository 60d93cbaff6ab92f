using Ipcs.TestKit;
using System.Net.Sockets;
using Ipcs.Node.Listeners;

namespace Ipcs.Node.Tests.Listeners;

public sealed class UnixListenerTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void The_folder_is_closed_to_other_users()
    {
        UnixListener.Prepare(_folder["run/api.sock"]);
        Assert.Equal(
            UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute | UnixFileMode.GroupRead | UnixFileMode.GroupExecute,
            File.GetUnixFileMode(_folder["run"]));
    }

    [Fact]
    public void The_socket_of_a_dead_daemon_is_removed()
    {
        string path = _folder["api.sock"];
        using (var dead = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified))
        {
            dead.Bind(new UnixDomainSocketEndPoint(path));
        }

        // The runtime deletes it at disposal; a daemon that was killed does not.
        if (!File.Exists(path))
        {
            BindAndLeave(path);
        }

        Assert.True(File.Exists(path));
        UnixListener.Prepare(path);
        Assert.False(File.Exists(path));
    }

    [Fact]
    public void The_socket_of_a_running_daemon_is_an_error()
    {
        string path = _folder["api.sock"];
        using var living = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        living.Bind(new UnixDomainSocketEndPoint(path));
        living.Listen(1);
        Assert.Contains(
            "in use by a running daemon", Assert.Throws<IOException>(() => UnixListener.Prepare(path)).Message, StringComparison.Ordinal);
        Assert.True(File.Exists(path));
    }

    [Fact]
    public void A_file_that_is_no_socket_is_not_removed()
    {
        string path = _folder["notes.txt"];
        File.WriteAllText(path, "mine");
        Assert.Contains("not a socket", Assert.Throws<IOException>(() => UnixListener.Prepare(path)).Message, StringComparison.Ordinal);
        Assert.Equal("mine", File.ReadAllText(path));
        Assert.Contains(
            "not a socket", Assert.Throws<IOException>(() => UnixListener.Prepare(_folder.Path)).Message, StringComparison.Ordinal);
    }

    /// <summary>Creates a socket file whose process has ended.</summary>
    private static void BindAndLeave(string path)
    {
        using var program = System.Diagnostics.Process.Start(
            "python3", ["-c", "import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])", path]);
        program.WaitForExit();
    }
}
