using System.Buffers;
using System.Buffers.Binary;
using Ipcs.Multiformats;

namespace Ipcs.Libp2p.Perf;

/// <summary>
/// libp2p's throughput protocol: 8 bytes say how many to send back, then the client's own bytes, then the answer.
/// Spec: https://github.com/libp2p/specs/blob/master/perf/perf.md.
/// </summary>
public static class PerfProtocol
{
    /// <summary>The protocol name.</summary>
    public const string Name = "/perf/1.0.0";

    private const int ChunkLength = 256 * 1024;

    /// <summary>Sends <paramref name="upload"/> bytes to a connected peer, then has it send <paramref name="download"/> bytes, and measures each way.</summary>
    /// <exception cref="IOException">The peer does not speak the protocol, or sends another number of bytes.</exception>
    public static async Task<PerfResult> PerfAsync(this IHost host, PeerId peer, long upload, long download, CancellationToken cancellationToken)
    {
        await using PeerStream stream = await host.OpenStreamAsync(peer, [Name], cancellationToken);
        byte[] buffer = ArrayPool<byte>.Shared.Rent(ChunkLength);
        try
        {
            buffer.AsSpan().Clear();
            BinaryPrimitives.WriteUInt64BigEndian(buffer, (ulong)download);
            await stream.WriteAsync(buffer.AsMemory(0, 8), cancellationToken);
            buffer.AsSpan(0, 8).Clear();
            long start = TimeProvider.System.GetTimestamp();
            await SendAsync(stream, buffer, (ulong)upload, cancellationToken);
            await stream.CloseWriteAsync(cancellationToken);

            // The first byte back says that the last one sent has been read.
            long got = await stream.ReadAsync(buffer, cancellationToken);
            long turn = TimeProvider.System.GetTimestamp();
            for (int n = 1; n > 0 && got > 0 && got <= download; got += n)
            {
                n = await stream.ReadAsync(buffer, cancellationToken);
            }

            return got == download
                ? new PerfResult(TimeProvider.System.GetElapsedTime(start, turn), TimeProvider.System.GetElapsedTime(turn))
                : throw new IOException($"{peer} sent {got} bytes where {download} were asked for");
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    internal static async Task AnswerAsync(PeerStream stream, CancellationToken cancellationToken)
    {
        byte[] buffer = ArrayPool<byte>.Shared.Rent(ChunkLength);
        try
        {
            if (await stream.ReadFullyAsync(buffer.AsMemory(0, 8), cancellationToken) < 8)
            {
                throw new EndOfStreamException("perf: no length");
            }

            ulong left = BinaryPrimitives.ReadUInt64BigEndian(buffer);
            while (await stream.ReadAsync(buffer, cancellationToken) > 0)
            {
                // The upload is only counted by who sends it.
            }

            buffer.AsSpan().Clear();
            await SendAsync(stream, buffer, left, cancellationToken);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private static async Task SendAsync(PeerStream stream, byte[] buffer, ulong left, CancellationToken cancellationToken)
    {
        while (left > 0)
        {
            int n = (int)Math.Min(left, ChunkLength);
            await stream.WriteAsync(buffer.AsMemory(0, n), cancellationToken);
            left -= (ulong)n;
        }
    }
}

/// <summary>How long each way took.</summary>
/// <param name="Upload">Until the peer had all.</param>
/// <param name="Download">Until we had all.</param>
public readonly record struct PerfResult(TimeSpan Upload, TimeSpan Download);
