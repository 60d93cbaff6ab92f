using System.Runtime.InteropServices;
using Ipcs.Blockstore.Interop;

namespace Ipcs.Blockstore.Compression;

/// <summary>The working memory of zstd's decompressor (<c>ZSTD_DCtx</c>). For one thread at a time.</summary>
internal sealed unsafe class DecompressionContext : SafeHandle
{
    public DecompressionContext()
        : base(0, ownsHandle: true)
    {
        SetHandle(Zstd.ZSTD_createDCtx());
        if (IsInvalid)
        {
            throw new InvalidOperationException("zstd could not allocate a decompression context");
        }
    }

    public override bool IsInvalid => handle == 0;

    /// <summary>Decompresses a frame. False when it is not one whose content has exactly the length of <paramref name="block"/>.</summary>
    public bool TryDecompress(ReadOnlySpan<byte> frame, Span<byte> block)
    {
        fixed (byte* input = frame, output = block)
        {
            // Error codes are greater than any length.
            return Zstd.ZSTD_decompressDCtx(handle, output, (nuint)block.Length, input, (nuint)frame.Length) == (nuint)block.Length;
        }
    }

    protected override bool ReleaseHandle() => Zstd.ZSTD_isError(Zstd.ZSTD_freeDCtx(handle)) == 0;
}
