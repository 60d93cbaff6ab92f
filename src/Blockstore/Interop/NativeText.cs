using System.Runtime.InteropServices;

namespace Ipcs.Blockstore.Interop;

/// <summary>A text as a null-terminated UTF-8 string in native memory.</summary>
internal sealed unsafe class NativeText(string text) : IDisposable
{
    public byte* Pointer { get; private set; } = (byte*)Marshal.StringToCoTaskMemUTF8(text);

    public void Dispose()
    {
        Marshal.FreeCoTaskMem((nint)Pointer);
        Pointer = null;
    }
}
