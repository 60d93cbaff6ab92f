using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace Ipcs.Blockstore.Posix;

/// <summary>What lies at a path. The runtime doesn't tell sockets and pipes from files, and to open one to see would wait or do harm.</summary>
public static partial class FileKind
{
    // https://man7.org/linux/man-pages/man2/statx.2.html; the layout is the same on every architecture.
    private const int CurrentFolder = -100;
    private const int NoFollow = 0x100;
    private const int EmptyPath = 0x1000;
    private const uint WantType = 1;
    private const int StructLength = 256;
    private const int ModeOffset = 28;
    private const int TypeMask = 0xf000;
    private const int Socket = 0xc000;
    private const int Regular = 0x8000;

    /// <summary>True for a unix socket itself, not for a link to one.</summary>
    public static bool IsSocket(string path) => TypeOf(path) == Socket;

    /// <summary>True for a plain file, not for a link to one.</summary>
    public static bool IsRegular(string path) => TypeOf(path) == Regular;

    /// <summary>True for a plain file that is open.</summary>
    public static bool IsRegular(SafeFileHandle file) => TypeOf((int)file.DangerousGetHandle(), "", EmptyPath) == Regular;

    private static int TypeOf(string path) => TypeOf(CurrentFolder, path, NoFollow);

    /// <summary>The type bits of the mode; 0 when there is nothing, or nothing that can be looked at.</summary>
    private static unsafe int TypeOf(int folder, string path, int flags)
    {
        byte* result = stackalloc byte[StructLength];
        byte[] name = Encoding.UTF8.GetBytes(path + '\0');
        fixed (byte* text = name)
        {
            return statx(folder, text, flags, WantType, result) == 0
                ? BinaryPrimitives.ReadUInt16LittleEndian(new ReadOnlySpan<byte>(result + ModeOffset, sizeof(ushort))) & TypeMask
                : 0;
        }
    }

    [LibraryImport("libc")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static unsafe partial int statx(int folder, byte* path, int flags, uint mask, byte* result);
}
