using System.Runtime.InteropServices;

namespace Ipcs.Blockstore.Interop;

/// <summary>The functions of libzstd that the store uses. Header: https://github.com/facebook/zstd/blob/v1.5.4/lib/zstd.h.</summary>
internal static unsafe partial class Zstd
{
    /// <summary>The library's name without prefix and suffix.</summary>
    public const string Library = "zstd";

    static Zstd() => Libraries.Prepare();

    [LibraryImport(Library)]
    public static partial nint ZSTD_createCCtx();

    [LibraryImport(Library)]
    public static partial nuint ZSTD_freeCCtx(nint context);

    /// <summary>Compresses into one frame that states the length of its content. Returns the frame's length, or an error.</summary>
    [LibraryImport(Library)]
    public static partial nuint ZSTD_compressCCtx(nint context, byte* output, nuint capacity, byte* input, nuint length, int level);

    [LibraryImport(Library)]
    public static partial nint ZSTD_createDCtx();

    [LibraryImport(Library)]
    public static partial nuint ZSTD_freeDCtx(nint context);

    /// <summary>Decompresses frames. Returns the length of their content, or an error.</summary>
    [LibraryImport(Library)]
    public static partial nuint ZSTD_decompressDCtx(nint context, byte* output, nuint capacity, byte* input, nuint length);

    /// <summary>Returns 0 unless the result is an error.</summary>
    [LibraryImport(Library)]
    public static partial uint ZSTD_isError(nuint result);

    /// <summary>
    /// The length of the first frame's content; greater than any length when the frame does not state it, or there is no frame.
    /// </summary>
    [LibraryImport(Library)]
    public static partial ulong ZSTD_getFrameContentSize(byte* input, nuint length);

    /// <summary>
    /// Decompresses as much as the buffers allow. Returns 0 at the end of a frame, an error, or a hint of the next input's length.
    /// </summary>
    [LibraryImport(Library)]
    public static partial nuint ZSTD_decompressStream(nint context, ZstdBuffer* output, ZstdBuffer* input);

    /// <summary>Sets a parameter of a decompression context. Returns 0, or an error.</summary>
    [LibraryImport(Library)]
    public static partial nuint ZSTD_DCtx_setParameter(nint context, int parameter, int value);

    /// <summary>The text of an error, null-terminated; never freed.</summary>
    [LibraryImport(Library)]
    public static partial byte* ZSTD_getErrorName(nuint result);
}
