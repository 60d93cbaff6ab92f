using System.Runtime.InteropServices;

namespace Ipcs.Blockstore.Interop;

/// <summary>libzstd's state for decompressing a sequence of frames piece by piece. Not thread-safe.</summary>
internal sealed unsafe class ZstdDecoder : SafeHandle
{
    /// <summary><c>ZSTD_d_windowLogMax</c>.</summary>
    private const int WindowLogMax = 100;

    /// <summary>Creates a decoder that refuses frames with a window larger than 2^<paramref name="maxWindowLog"/> bytes.</summary>
    public ZstdDecoder(int maxWindowLog)
        : base(0, ownsHandle: true)
    {
        SetHandle(Zstd.ZSTD_createDCtx());
        if (IsInvalid)
        {
            throw new InvalidOperationException("zstd could not allocate a decompression context");
        }

        Check(Zstd.ZSTD_DCtx_setParameter(handle, WindowLogMax, maxWindowLog));
    }

    public override bool IsInvalid => handle == 0;

    /// <summary>Decompresses from one buffer into another until either is used up or a frame ends.</summary>
    /// <returns>True at the end of a frame.</returns>
    /// <exception cref="InvalidDataException">The input is not zstd, or a frame has a larger window than allowed.</exception>
    public bool Decompress(ReadOnlySpan<byte> input, Span<byte> output, out int consumed, out int written)
    {
        fixed (byte* source = input, target = output)
        {
            var from = new ZstdBuffer { Start = source, Length = (nuint)input.Length };
            var to = new ZstdBuffer { Start = target, Length = (nuint)output.Length };
            nuint result = Check(Zstd.ZSTD_decompressStream(handle, &to, &from));
            (consumed, written) = ((int)from.Position, (int)to.Position);
            return result == 0;
        }
    }

    protected override bool ReleaseHandle() => Zstd.ZSTD_isError(Zstd.ZSTD_freeDCtx(handle)) == 0;

    private static nuint Check(nuint result) => Zstd.ZSTD_isError(result) == 0
        ? result
        : throw new InvalidDataException($"zstd: {Marshal.PtrToStringUTF8((nint)Zstd.ZSTD_getErrorName(result))}");
}
