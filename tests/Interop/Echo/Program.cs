using System.Globalization;
using System.Security.Cryptography;
using Ipcs.Libp2p;
using Ipcs.Libp2p.Identity;
using Ipcs.Libp2p.Swarm;
using Ipcs.Multiformats;

namespace Ipcs.Interop.Echo;

/// <summary>
/// An ipcs host with /echo/1.0.0: <c>Echo MUXER</c>. Reads commands from standard input and ends with it. <c>echo MULTIADDR BYTES</c>
/// dials unless connected, sends that many random bytes, and prints <c>equal</c> when the same bytes come back, else <c>failed
/// REASON</c>.
/// </summary>
internal static class Program
{
    private const string Protocol = "/echo/1.0.0";
    private const int PieceLength = 65_536;

    private static async Task Main(string[] args)
    {
        await using var host = new Host(new HostOptions
        {
            Time = TimeProvider.System,
            Seed = 1,
            KeyPair = KeyPair.Generate(),
            Muxers = [args[0]],
            ListenAddresses = [Multiaddr.Parse("/ip4/127.0.0.1/tcp/0")],
        });
        host.Handle(Protocol, AnswerAsync);
        await host.StartAsync(CancellationToken.None);
        Console.WriteLine($"ready {host.LocalPeer} {host.ListenAddresses[0]}/p2p/{host.LocalPeer}");
        while (Console.ReadLine()?.Split(' ') is ["echo", var address, var bytes])
        {
            try
            {
                Console.WriteLine(await AskAsync(host, Multiaddr.Parse(address), long.Parse(bytes, CultureInfo.InvariantCulture)));
            }
            catch (IOException e)
            {
                Console.WriteLine($"failed {e.Message}");
            }
        }
    }

    private static async Task AnswerAsync(PeerStream stream, CancellationToken cancellationToken)
    {
        byte[] buffer = new byte[PieceLength];
        for (int n; (n = await stream.ReadAsync(buffer, cancellationToken)) > 0;)
        {
            await stream.WriteAsync(buffer.AsMemory(0, n), cancellationToken);
        }
    }

    private static async Task<string> AskAsync(Host host, Multiaddr address, long bytes)
    {
        PeerInfo peer = await host.ConnectAsync(address, CancellationToken.None);
        await using PeerStream stream = await host.OpenStreamAsync(peer.Peer, [Protocol], CancellationToken.None);
        Task<byte[]> sending = SendAsync(stream, bytes);
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        byte[] buffer = new byte[PieceLength];
        long length = 0;
        for (int n; (n = await stream.ReadAsync(buffer, CancellationToken.None)) > 0; length += n)
        {
            hash.AppendData(buffer, 0, n);
        }

        byte[] sent = await sending;
        bool equal = length == bytes && hash.GetHashAndReset().SequenceEqual(sent);
        return equal ? "equal" : $"failed {length} of {bytes} bytes came back, or their hash differs";
    }

    /// <summary>Sends random bytes. Returns their SHA-256.</summary>
    private static async Task<byte[]> SendAsync(PeerStream stream, long bytes)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        byte[] piece = new byte[PieceLength];
        for (long left = bytes; left > 0;)
        {
            int n = (int)Math.Min(left, piece.Length);
            RandomNumberGenerator.Fill(piece.AsSpan(0, n));
            hash.AppendData(piece, 0, n);
            await stream.WriteAsync(piece.AsMemory(0, n), CancellationToken.None);
            left -= n;
        }

        await stream.CloseWriteAsync(CancellationToken.None);
        return hash.GetHashAndReset();
    }
}
