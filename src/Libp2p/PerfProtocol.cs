using System.Buffers;
using System.Buffers.Binary;

namespace Ipcs.Libp2p;

/// <summary>
/// libp2p's throughput protocol: 8 bytes say how many to send back, then the client's own bytes, then the answer.
/// Spec: https://github.com/libp2p/specs/blob/master/perf/perf.md.
/// </summary>
public static class PerfProtocol
{
    /// <summary>The protocol name.</summary>
    public const string Name = "/perf/1.0.0";

    private const int ChunkLength = 256 * 1024;

    internal static async Task AnswerAsync(PeerStream stream, CancellationToken cancellationToken)
    {
        byte[] buffer = ArrayPool<byte>.Shared.Rent(ChunkLength);
        try
        {
            int head = 0;
            while (head < 8)
            {
                int n = await stream.ReadAsync(buffer.AsMemory(head, 8 - head), cancellationToken);
                head += n > 0 ? n : throw new EndOfStreamException("perf: no length");
            }

            ulong left = BinaryPrimitives.ReadUInt64BigEndian(buffer);
            while (await stream.ReadAsync(buffer, cancellationToken) > 0)
            {
                // The upload is only counted by who sends it.
            }

            buffer.AsSpan().Clear();
            while (left > 0)
            {
                int n = (int)Math.Min(left, ChunkLength);
                await stream.WriteAsync(buffer.AsMemory(0, n), cancellationToken);
                left -= (ulong)n;
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }
}
