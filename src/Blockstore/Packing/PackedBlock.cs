using System.Buffers;
using Ipcs.Blockstore.Interop;

namespace Ipcs.Blockstore;

/// <summary>
/// Blocks in zstd frames, in the store and between nodes: https://www.rfc-editor.org/rfc/rfc8878. A frame says how long its block is, holds that
/// block and nothing else, and is shorter than the block. Thread-safe.
/// </summary>
public static class PackedBlock
{
    /// <summary>Shorter blocks are not tried: a frame's head alone takes a tenth of them.</summary>
    private const int MinLength = 128;

    /// <summary>A frame that saves less than this part of its block is not worth unpacking.</summary>
    private const int LeastSaving = 32;

    private static readonly ContextPool<PackContext> Packers = new(() => new PackContext());
    private static readonly ContextPool<UnpackContext> Unpackers = new(() => new UnpackContext());

    /// <summary>The block's frame; null when it doesn't pay. The caller disposes it.</summary>
    public static IMemoryOwner<byte>? TryPack(ReadOnlySpan<byte> block)
    {
        if (block.Length < MinLength)
        {
            return null;
        }

        var frame = new RentedBlock(block.Length - (block.Length / LeastSaving));
        PackContext packer = Packers.Take();
        bool fits = packer.TryPack(block, frame.Memory.Span, LevelFor(block.Length), out int length);
        Packers.Return(packer);
        if (fits)
        {
            frame.Shorten(length);
            return frame;
        }

        frame.Dispose();
        return null;
    }

    /// <summary>zstd's level for a block of a length: what the next one finds more is not worth its time. docs/decisions/0010 has the figures.</summary>
    private static int LevelFor(int length) => length <= 64 << 10 ? 5 : length <= 128 << 10 ? 4 : 3;

    /// <summary>How long the block in a frame is, as the frame says; false for what is no frame of a block.</summary>
    public static unsafe bool TryGetLength(ReadOnlySpan<byte> frame, out int length)
    {
        fixed (byte* start = frame)
        {
            ulong said = Zstd.ZSTD_getFrameContentSize(start, (nuint)frame.Length);
            bool possible = said <= IBlockstore.MaxBlockLength && (ulong)frame.Length < said;
            length = possible ? (int)said : 0;
            return possible;
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
        UnpackContext unpacker = Unpackers.Take();
        bool good = unpacker.TryUnpack(frame, block.Memory.Span);
        Unpackers.Return(unpacker);
        if (good)
        {
            return block;
        }

        block.Dispose();
        return null;
    }
}
