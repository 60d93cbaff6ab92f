using System.IO.Pipes;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using Ipcs.Blockstore.Posix;
using Ipcs.TestKit;
using Microsoft.Win32.SafeHandles;

namespace Ipcs.ControlApi.Tests;

/// <summary>This process passes descriptors to itself over a Unix socket.</summary>
public sealed class PassedFileTests : IDisposable
{
    private readonly TempFolder _folder = new();
    private readonly Socket _listening = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
    private readonly Socket _client = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
    private readonly Socket _accepted;
    private readonly SafeFileHandle _first;

    public PassedFileTests()
    {
        _listening.Bind(new UnixDomainSocketEndPoint(_folder["s"]));
        _listening.Listen(1);
        _client.Connect(new UnixDomainSocketEndPoint(_folder["s"]));
        _accepted = _listening.Accept();
        _first = Marked("first", [1]);
    }

    public void Dispose()
    {
        _first.Dispose();
        _accepted.Dispose();
        _client.Dispose();
        _listening.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public async Task A_file_is_read_from_its_start_and_its_position_is_the_progress()
    {
        byte[] bytes = [.. Enumerable.Range(0, 100_000).Select(i => (byte)(i * 7))];
        using SafeFileHandle file = Marked("f", bytes);
        PassedDescriptor.SetPosition(file, 50_000);
        Assert.Equal(bytes, await ReadAsync(Client().OpenFile(Number(file))));
        Assert.Equal(bytes.Length, PassedDescriptor.Position(file));
    }

    [Fact]
    public async Task A_passed_file_stays_open_when_the_client_closes_it()
    {
        SafeFileHandle file = Marked("f", [1, 2, 3]);
        using PassedFile passed = Client().OpenFile(Number(file));
        file.Dispose();
        Assert.Equal([1, 2, 3], await ReadAsync(passed));
    }

    [Fact]
    public async Task Bytes_that_are_appended_later_are_not_read()
    {
        using SafeFileHandle file = Marked("f", [1, 2, 3]);
        using PassedFile passed = Client().OpenFile(Number(file));
        await File.AppendAllBytesAsync(_folder["f"], [4], TestContext.Current.CancellationToken);
        Assert.Equal([1, 2, 3], await ReadAsync(passed));
    }

    [Fact]
    public async Task A_file_that_becomes_shorter_is_an_error()
    {
        using SafeFileHandle file = Marked("f", new byte[1000]);
        using PassedFile passed = Client().OpenFile(Number(file));
        Assert.Equal(600, await passed.ReadAsync(new byte[600], TestContext.Current.CancellationToken));
        await using (FileStream shorter = new(_folder["f"], FileMode.Open, FileAccess.Write, FileShare.ReadWrite))
        {
            shorter.SetLength(500);
        }

        ApiException error = await Assert.ThrowsAsync<ApiException>(() => ReadAsync(passed));
        Assert.Equal(400, error.Status);
        Assert.Contains("shorter", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("not open", "is not open in the client")]
    [InlineData("largest number", "is not open in the client")]
    [InlineData("not marked", "is not open read-only and marked")]
    [InlineData("write-only", "is not open read-only and marked")]
    [InlineData("for reading and writing", "is not open read-only and marked")]
    [InlineData("device", "is not a regular file")]
    [InlineData("pipe", "is not a regular file")]
    [InlineData("socket", "is not open read-only and marked")]
    public void Only_a_marked_regular_file_is_taken(string what, string why)
    {
        using SafeHandle? handle = what switch
        {
            "not marked" => File.OpenHandle(_folder["first"]),
            "write-only" => File.OpenHandle(_folder["new"], FileMode.Create, FileAccess.Write),
            "for reading and writing" => File.OpenHandle(_folder["new"], FileMode.Create, FileAccess.ReadWrite),
            "device" => File.OpenHandle("/dev/zero"),
            "pipe" => new AnonymousPipeServerStream(PipeDirection.In).SafePipeHandle,
            "socket" => new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified).SafeHandle,
            _ => null,
        };
        int number = handle is not null ? (int)handle.DangerousGetHandle() : what == "not open" ? 1_000_000 : int.MaxValue;
        if (handle is not null && what != "not marked")
        {
            using var borrowed = new SafeFileHandle(handle.DangerousGetHandle(), ownsHandle: false);
            PassedDescriptor.Mark(borrowed);
        }

        using ClientProcess client = Client();
        ApiException error = Assert.Throws<ApiException>(() => client.OpenFile(number));
        Assert.Equal(400, error.Status);
        Assert.Contains(why, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_process_without_the_probed_descriptor_is_not_the_client() =>
        Assert.Equal(501, Assert.Throws<ApiException>(() => ClientProcess.Open(_accepted, 1_000_000)).Status);

    [Fact]
    public void Over_TCP_no_descriptor_is_passed()
    {
        using var tcp = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        tcp.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        Assert.Equal(501, Assert.Throws<ApiException>(() => ClientProcess.Open(tcp, Number(_first))).Status);
        Assert.Equal(501, Assert.Throws<ApiException>(() => ClientProcess.Open(null, Number(_first))).Status);
    }

    private static int Number(SafeFileHandle file) => (int)file.DangerousGetHandle();

    private static async Task<byte[]> ReadAsync(Stream stream)
    {
        using var all = new MemoryStream();
        await stream.CopyToAsync(all, 4096, TestContext.Current.CancellationToken);
        return all.ToArray();
    }

    private ClientProcess Client() => ClientProcess.Open(_accepted, Number(_first));

    private SafeFileHandle Marked(string name, byte[] bytes)
    {
        File.WriteAllBytes(_folder[name], bytes);
        SafeFileHandle file = File.OpenHandle(_folder[name], share: FileShare.ReadWrite);
        PassedDescriptor.Mark(file);
        return file;
    }
}
