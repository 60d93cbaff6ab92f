using System.Runtime.InteropServices;

namespace Ipcs.Blockstore.Interop;

/// <summary>A text as the zero-ended UTF-8 that C takes.</summary>
internal sealed unsafe class NativeText(string text) : IDisposable
{
    public byte* Pointer { get; private set; } = (byte*)Marshal.StringToCoTaskMemUTF8(text);

    public void Dispose()
    {
        Marshal.FreeCoTaskMem((nint)Pointer);
        Pointer = null;
    }
}
