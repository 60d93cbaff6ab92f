using System.Buffers;
using Ipcs.Blockstore.Interop;
using Ipcs.Multiformats;

namespace Ipcs.Blockstore.Compression;

/// <summary>
/// Blocks as zstd frames, in the store and between nodes: https://www.rfc-editor.org/rfc/rfc8878. A frame states the length of its block
/// (section 3.1.1.1.4), contains only that block, and is shorter than the block. Thread-safe.
/// </summary>
public static class CompressedBlock
{
    /// <summary>Blocks shorter than this are not compressed: the header of a frame alone is a tenth of that.</summary>
    private const int MinLength = 128;

    /// <summary>A frame that saves less than this fraction (1/32) of its block is not worth decompressing.</summary>
    private const int LeastSaving = 32;

    private static readonly ContextPool<CompressionContext> Compressors = new(() => new CompressionContext());
    private static readonly ContextPool<DecompressionContext> Decompressors = new(() => new DecompressionContext());

    /// <summary>The block's frame; null when compression does not pay. The caller disposes it.</summary>
    public static IMemoryOwner<byte>? TryCompress(ReadOnlySpan<byte> block)
    {
        if (block.Length < MinLength)
        {
            return null;
        }

        var frame = new RentedBlock(block.Length - (block.Length / LeastSaving));
        CompressionContext context = Compressors.Take();
        bool fits = context.TryCompress(block, frame.Memory.Span, LevelFor(block.Length), out int length);
        Compressors.Return(context);
        if (fits)
        {
            frame.Shorten(length);
            return frame;
        }

        frame.Dispose();
        return null;
    }

    /// <summary>The length in bytes of the block in a frame, as the frame states it. False when it is not the frame of a block.</summary>
    public static unsafe bool TryGetLength(ReadOnlySpan<byte> frame, out int length)
    {
        fixed (byte* start = frame)
        {
            ulong stated = Zstd.ZSTD_getFrameContentSize(start, (nuint)frame.Length);
            bool possible = stated <= IBlockstore.MaxBlockLength && (ulong)frame.Length < stated;
            length = possible ? (int)stated : 0;
            return possible;
        }
    }

    /// <summary>
    /// The block in a frame; null when it is not the frame of a block. Allocates no more than the length that the frame states, which is at
    /// most <see cref="IBlockstore.MaxBlockLength"/>. The caller disposes it.
    /// </summary>
    public static IMemoryOwner<byte>? TryDecompress(ReadOnlySpan<byte> frame)
    {
        if (!TryGetLength(frame, out int length))
        {
            return null;
        }

        var block = new RentedBlock(length);
        DecompressionContext context = Decompressors.Take();
        bool valid = context.TryDecompress(frame, block.Memory.Span);
        Decompressors.Return(context);
        if (valid)
        {
            return block;
        }

        block.Dispose();
        return null;
    }

    /// <summary>As <see cref="TryGetLength"/>, for a store.</summary>
    /// <exception cref="StoreException">It is not the frame of a block.</exception>
    internal static int LengthOf(in Multihash hash, ReadOnlySpan<byte> frame) => TryGetLength(frame, out int length)
        ? length
        : throw new StoreException($"block {hash}: its data is not the zstd frame of a block");

    /// <summary>The zstd level: higher ones save too little for the time they take. docs/decisions/0010 has the measurements.</summary>
    private static int LevelFor(int length) => length <= 64 << 10 ? 5 : length <= 128 << 10 ? 4 : 3;
}
