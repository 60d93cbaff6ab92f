using System.Security.Cryptography;
using Ipcs.Multiformats;

namespace Ipcs.Libp2p.Ping;

/// <summary>Ping: the peer echoes 32 random bytes. Spec: https://github.com/libp2p/specs/blob/master/ping/ping.md.</summary>
public static class PingProtocol
{
    /// <summary>The protocol name.</summary>
    public const string Name = "/ipfs/ping/1.0.0";

    private const int Length = 32;

    /// <summary>Opens a stream to a connected peer and measures one round trip on it, without the time to open the stream.</summary>
    /// <exception cref="IOException">The peer does not answer, or echoes other bytes.</exception>
    public static async Task<TimeSpan> PingAsync(this IHost host, PeerId peer, CancellationToken cancellationToken)
    {
        await using PeerStream stream = await host.OpenStreamAsync(peer, [Name], cancellationToken);
        return await PingAsync(stream, host.Time, cancellationToken);
    }

    /// <summary>Measures one round trip on an open stream.</summary>
    /// <exception cref="IOException">The peer does not answer, or echoes other bytes.</exception>
    internal static async Task<TimeSpan> PingAsync(PeerStream stream, TimeProvider time, CancellationToken cancellationToken)
    {
        byte[] sent = RandomNumberGenerator.GetBytes(Length);
        byte[] received = new byte[Length];
        long start = time.GetTimestamp();
        await stream.WriteAsync(sent, cancellationToken);
        if (await stream.ReadFullyAsync(received, cancellationToken) < Length)
        {
            throw new EndOfStreamException($"{stream.RemotePeer} closed the ping stream");
        }

        TimeSpan elapsed = time.GetElapsedTime(start);
        return sent.AsSpan().SequenceEqual(received)
            ? elapsed
            : throw new IOException($"{stream.RemotePeer} answered the ping with other bytes");
    }

    /// <summary>Answers pings until the peer closes the stream.</summary>
    internal static async Task AnswerAsync(PeerStream stream, CancellationToken cancellationToken)
    {
        byte[] buffer = new byte[Length];
        while (await stream.ReadFullyAsync(buffer, cancellationToken) == Length)
        {
            await stream.WriteAsync(buffer, cancellationToken);
        }
    }
}
