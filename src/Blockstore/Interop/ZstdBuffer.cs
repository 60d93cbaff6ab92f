using System.Runtime.InteropServices;

namespace Ipcs.Blockstore.Interop;

/// <summary><c>ZSTD_inBuffer</c> and <c>ZSTD_outBuffer</c>, which have the same layout.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct ZstdBuffer
{
    /// <summary>Start of the buffer.</summary>
    public byte* Start;

    /// <summary>Length of the buffer in bytes.</summary>
    public nuint Length;

    /// <summary>Bytes that the library has read from the buffer, or written to it.</summary>
    public nuint Position;
}
