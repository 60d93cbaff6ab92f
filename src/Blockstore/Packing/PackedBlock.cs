using System.Buffers;
using ZstdSharp;

namespace Ipcs.Blockstore;

/// <summary>
/// Blocks in zstd frames, in the store and between nodes: https://www.rfc-editor.org/rfc/rfc8878. A frame says how long its block is, holds that
/// block and nothing else, and is shorter than the block. Thread-safe.
/// </summary>
public static class PackedBlock
{
    /// <summary>zstd's level for blocks of up to <see cref="SmallBlock"/> bytes: docs/decisions/0010 has the figures.</summary>
    private const int SmallLevel = 4;

    /// <summary>The level for larger blocks, in which the one above takes twice the time and finds nothing more.</summary>
    private const int LargeLevel = 3;

    private const int SmallBlock = 128 << 10;

    /// <summary>Shorter blocks are not tried: a frame's head alone takes a tenth of them.</summary>
    private const int MinLength = 128;

    /// <summary>A frame that saves less than this part of its block is not worth unpacking.</summary>
    private const int LeastSaving = 32;

    /// <summary>Contexts that wait for their next block: one for each core. Those for packing hold a megabyte or two.</summary>
    private static readonly ContextPool<Compressor> Packers = new(() => new Compressor());

    private static readonly ContextPool<Decompressor> Unpackers = new(() => new Decompressor());

    /// <summary>The block's frame; null when it doesn't pay. The caller disposes it.</summary>
    public static IMemoryOwner<byte>? TryPack(ReadOnlySpan<byte> block)
    {
        if (block.Length < MinLength)
        {
            return null;
        }

        var frame = new RentedBlock(block.Length - (block.Length / LeastSaving));
        Compressor packer = Packers.Take();
        packer.Level = block.Length <= SmallBlock ? SmallLevel : LargeLevel;
        bool fits = packer.TryWrap(block, frame.Memory.Span, out int length);
        Packers.Return(packer);
        if (fits)
        {
            frame.Shorten(length);
            return frame;
        }

        frame.Dispose();
        return null;
    }

    /// <summary>How long the block in a frame is, as the frame says; false for what is no frame of a block.</summary>
    public static bool TryGetLength(ReadOnlySpan<byte> frame, out int length)
    {
        length = 0;
        try
        {
            ulong said = Decompressor.GetDecompressedSize(frame);
            bool possible = said <= IBlockstore.MaxBlockLength && (ulong)frame.Length < said;
            length = possible ? (int)said : 0;
            return possible;
        }
        catch (ZstdException)
        {
            return false;
        }
    }

    /// <summary>The block in a frame; null for what is no frame of a block. No more memory is taken than the frame says, and that is bounded. The caller disposes it.</summary>
    public static IMemoryOwner<byte>? TryUnpack(ReadOnlySpan<byte> frame)
    {
        if (!TryGetLength(frame, out int length))
        {
            return null;
        }

        var block = new RentedBlock(length);
        Decompressor unpacker = Unpackers.Take();
        try
        {
            if (unpacker.TryUnwrap(frame, block.Memory.Span, out int written) && written == length)
            {
                return block;
            }
        }
        catch (ZstdException)
        {
            // Answered below: what peers send may be anything.
        }
        finally
        {
            Unpackers.Return(unpacker);
        }

        block.Dispose();
        return null;
    }
}
