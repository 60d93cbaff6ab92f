using System.Buffers;
using System.Buffers.Binary;
using Ipcs.Multiformats;

namespace Ipcs.Libp2p.Perf;

/// <summary>
/// libp2p's throughput protocol. Spec: https://github.com/libp2p/specs/blob/master/perf/perf.md.
/// <code>client: uint64 big endian, the number of bytes to download | the upload, until the client closes      server: the download</code>
/// </summary>
public static class PerfProtocol
{
    /// <summary>The protocol name.</summary>
    public const string Name = "/perf/1.0.0";

    private const string Purpose = "perf";
    private const int ChunkLength = 256 * 1024;

    /// <summary>
    /// Sends <paramref name="upload"/> bytes to a connected peer, then has it send <paramref name="download"/> bytes, and measures each
    /// direction.
    /// </summary>
    /// <exception cref="IOException">The peer does not support the protocol, or sends another number of bytes.</exception>
    public static async Task<PerfResult> PerfAsync(
        this IHost host, PeerId peer, long upload, long download, CancellationToken cancellationToken)
    {
        await using PeerStream stream = await host.OpenStreamAsync(peer, [Name], cancellationToken);
        byte[] buffer = Rent();
        try
        {
            buffer.AsSpan().Clear();
            BinaryPrimitives.WriteUInt64BigEndian(buffer, (ulong)download);
            await stream.WriteAsync(buffer.AsMemory(0, 8), cancellationToken);
            buffer.AsSpan(0, 8).Clear();
            long start = host.Time.GetTimestamp();
            await SendAsync(stream, buffer, (ulong)upload, cancellationToken);
            await stream.CloseWriteAsync(cancellationToken);

            // The peer sends its first byte after it has read our last one.
            long received = await stream.ReadAsync(buffer, cancellationToken);
            long uploaded = host.Time.GetTimestamp();
            for (int n = 1; n > 0 && received > 0 && received <= download; received += n)
            {
                n = await stream.ReadAsync(buffer, cancellationToken);
            }

            return received == download
                ? new PerfResult(host.Time.GetElapsedTime(start, uploaded), host.Time.GetElapsedTime(uploaded))
                : throw new IOException($"{peer} sent {received} bytes instead of {download}");
        }
        finally
        {
            Return(buffer);
        }
    }

    /// <summary>Answers one stream.</summary>
    internal static async Task AnswerAsync(PeerStream stream, CancellationToken cancellationToken)
    {
        byte[] buffer = Rent();
        try
        {
            if (await stream.ReadFullyAsync(buffer.AsMemory(0, 8), cancellationToken) < 8)
            {
                throw new EndOfStreamException("the stream ends before the download length");
            }

            ulong download = BinaryPrimitives.ReadUInt64BigEndian(buffer);
            while (await stream.ReadAsync(buffer, cancellationToken) > 0)
            {
                // Only the client counts the upload.
            }

            buffer.AsSpan().Clear();
            await SendAsync(stream, buffer, download, cancellationToken);
        }
        finally
        {
            Return(buffer);
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

    private static byte[] Rent()
    {
        BufferCounts.Rented(Purpose);
        return ArrayPool<byte>.Shared.Rent(ChunkLength);
    }

    private static void Return(byte[] buffer)
    {
        BufferCounts.Returned(Purpose);
        ArrayPool<byte>.Shared.Return(buffer);
    }
}
