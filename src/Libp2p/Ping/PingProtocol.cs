using System.Security.Cryptography;
using Ipcs.Multiformats;

namespace Ipcs.Libp2p.Ping;

/// <summary>Ping: 32 random bytes, sent back. Spec: https://github.com/libp2p/specs/blob/master/ping/ping.md.</summary>
public static class PingProtocol
{
    /// <summary>The protocol name.</summary>
    public const string Name = "/ipfs/ping/1.0.0";

    private const int Length = 32;

    /// <summary>Measures one round trip, the opening of the stream left out.</summary>
    /// <exception cref="IOException">The peer does not answer, or with other bytes.</exception>
    public static async Task<TimeSpan> PingAsync(this IHost host, PeerId peer, CancellationToken cancellationToken)
    {
        await using PeerStream stream = await host.OpenStreamAsync(peer, [Name], cancellationToken);
        return await OnceAsync(stream, cancellationToken);
    }

    /// <summary>One round trip on a stream that is open.</summary>
    /// <exception cref="IOException">The peer does not answer, or with other bytes.</exception>
    internal static async Task<TimeSpan> OnceAsync(PeerStream stream, CancellationToken cancellationToken)
    {
        byte[] sent = RandomNumberGenerator.GetBytes(Length);
        byte[] got = new byte[Length];
        long start = TimeProvider.System.GetTimestamp();
        await stream.WriteAsync(sent, cancellationToken);
        if (await stream.ReadFullyAsync(got, cancellationToken) < Length)
        {
            throw new EndOfStreamException($"{stream.RemotePeer} ended the ping");
        }

        TimeSpan time = TimeProvider.System.GetElapsedTime(start);
        return sent.AsSpan().SequenceEqual(got) ? time : throw new IOException($"{stream.RemotePeer} answered the ping with other bytes");
    }

    /// <summary>Answers until the peer closes.</summary>
    internal static async Task AnswerAsync(PeerStream stream, CancellationToken cancellationToken)
    {
        byte[] buffer = new byte[Length];
        while (await stream.ReadFullyAsync(buffer, cancellationToken) == Length)
        {
            await stream.WriteAsync(buffer, cancellationToken);
        }
    }
}
