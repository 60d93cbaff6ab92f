using System.Runtime.InteropServices;
using Ipcs.Blockstore.Interop;

namespace Ipcs.Blockstore;

/// <summary>zstd's working memory for unpacking. One thread at a time.</summary>
internal sealed unsafe class UnpackContext : SafeHandle
{
    public UnpackContext()
        : base(0, ownsHandle: true)
    {
        SetHandle(Zstd.ZSTD_createDCtx());
        if (IsInvalid)
            throw new InvalidOperationException("zstd has no memory");
    }

    public override bool IsInvalid => handle == 0;

    /// <summary>Unpacks a frame whose block is exactly as long as the room for it. False when it is no such frame.</summary>
    public bool TryUnpack(ReadOnlySpan<byte> frame, Span<byte> block)
    {
        fixed (byte* input = frame, output = block)
        {
            // An error is greater than any length.
            return Zstd.ZSTD_decompressDCtx(handle, output, (nuint)block.Length, input, (nuint)frame.Length) == (nuint)block.Length;
        }
    }

    protected override bool ReleaseHandle() => Zstd.ZSTD_isError(Zstd.ZSTD_freeDCtx(handle)) == 0;
}
