using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using Ipcs.Multiformats;
using Ipcs.TestKit;

namespace Ipcs.CommandLine.Tests;

/// <summary>The input of the stream processor, with a daemon that knows one content.</summary>
public sealed class LayerInputTests : IDisposable
{
    private const int Prefix = 1 << 17, LookUpAfter = 1 << 20;

    private readonly TempFolder _folder = new();
    private readonly Socket _listening = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
    private readonly byte[] _layer = new byte[8 << 20];
    private readonly List<string> _requests = [];

    public LayerInputTests()
    {
        new Random(1).NextBytes(_layer);
        _listening.Bind(new UnixDomainSocketEndPoint(_folder["s"]));
        _listening.Listen(4);
    }

    public void Dispose()
    {
        _listening.Dispose();
        _folder.Dispose();
    }

    [Theory]
    [InlineData(1)]
    [InlineData(Prefix)]
    [InlineData(Prefix + 1)]
    [InlineData(LookUpAfter - 1)]
    public void A_short_layer_comes_from_standard_input_alone(int length)
    {
        using var input = new MemoryStream(_layer, 0, length);
        using var layer = new LayerInput(input, _folder["s"]);
        Assert.Equal(_layer[..length], ReadAll(layer));
        Assert.False(_listening.Poll(0, SelectMode.SelectRead), "the daemon was asked");
    }

    [Fact]
    public async Task A_long_layer_comes_from_the_daemon_once_its_digest_is_known()
    {
        Task daemon = ServeAsync(requests: 2);
        using var input = new SlowInput(_layer);
        using var layer = new LayerInput(input, _folder["s"]);
        Assert.Equal(_layer, ReadAll(layer));
        await daemon;
        string hash = Convert.ToHexStringLower(SHA256.HashData(_layer.AsSpan(0, Prefix)));
        Assert.Equal($"/api/v0/ipcs/content/reading?arg={hash}&length={Prefix}", _requests[0]);
        Assert.EndsWith($"&offset={input.Position}", _requests[1], StringComparison.Ordinal);
        Assert.InRange(input.Position, LookUpAfter, _layer.Length - 1);
    }

    private static byte[] ReadAll(Stream stream)
    {
        using var all = new MemoryStream();
        stream.CopyTo(all);
        return all.ToArray();
    }

    /// <summary>Answers requests on one connection each.</summary>
    private async Task ServeAsync(int requests)
    {
        for (int i = 0; i < requests; i++)
        {
            using Socket connection = await _listening.AcceptAsync(TestContext.Current.CancellationToken);
            await using var stream = new NetworkStream(connection);
            using var reader = new StreamReader(stream, leaveOpen: true);
            string path = (await reader.ReadLineAsync(TestContext.Current.CancellationToken))!.Split(' ')[1];
            while (await reader.ReadLineAsync(TestContext.Current.CancellationToken) is { Length: > 0 })
            {
                // The headers are not needed.
            }

            _requests.Add(path);
            byte[] body = path.Contains("/cat?", StringComparison.Ordinal)
                ? _layer[int.Parse(path[(path.LastIndexOf('=') + 1)..])..]
                : Encoding.ASCII.GetBytes($"{{\"digest\":\"{Digest.Sha256(_layer)}\"}}");
            await stream.WriteAsync(
                Encoding.ASCII.GetBytes($"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {body.Length}\r\n\r\n"));
            await stream.WriteAsync(body);
        }
    }

    /// <summary>Gives single bytes once the digest may be looked up, so that the answer comes long before the end.</summary>
    private sealed class SlowInput(byte[] bytes) : MemoryStream(bytes)
    {
        public override int Read(Span<byte> buffer) => base.Read(Position < LookUpAfter ? buffer : buffer[..1]);
    }
}
