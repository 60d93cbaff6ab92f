using System.Runtime.InteropServices;
using Ipcs.Blockstore.Interop;

namespace Ipcs.Blockstore.Compression;

/// <summary>The working memory of zstd's compressor (<c>ZSTD_CCtx</c>). For one thread at a time.</summary>
internal sealed unsafe class CompressionContext : SafeHandle
{
    public CompressionContext()
        : base(0, ownsHandle: true)
    {
        SetHandle(Zstd.ZSTD_createCCtx());
        if (IsInvalid)
        {
            throw new InvalidOperationException("zstd could not allocate a compression context");
        }
    }

    public override bool IsInvalid => handle == 0;

    /// <summary>Compresses a block into one frame. False when the frame does not fit.</summary>
    public bool TryCompress(ReadOnlySpan<byte> block, Span<byte> frame, int level, out int length)
    {
        fixed (byte* input = block, output = frame)
        {
            nuint result = Zstd.ZSTD_compressCCtx(handle, output, (nuint)frame.Length, input, (nuint)block.Length, level);
            bool done = Zstd.ZSTD_isError(result) == 0;
            length = done ? (int)result : 0;
            return done;
        }
    }

    protected override bool ReleaseHandle() => Zstd.ZSTD_isError(Zstd.ZSTD_freeCCtx(handle)) == 0;
}
