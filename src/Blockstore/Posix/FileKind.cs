using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace Ipcs.Blockstore.Posix;

/// <summary>
/// The type of a file. The runtime does not distinguish sockets and pipes from files, and opening one to find out could block.
/// </summary>
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

    /// <summary>True for a Unix socket, false for a symbolic link to one.</summary>
    public static bool IsSocket(string path) => TypeOf(path) == Socket;

    /// <summary>True for a regular file, false for a symbolic link to one.</summary>
    public static bool IsRegular(string path) => TypeOf(path) == Regular;

    /// <summary>True for an open regular file.</summary>
    public static bool IsRegular(SafeFileHandle file) => TypeOf((int)file.DangerousGetHandle(), "", EmptyPath) == Regular;

    private static int TypeOf(string path) => TypeOf(CurrentFolder, path, NoFollow);

    /// <summary>The type bits of the mode; 0 when the file does not exist or cannot be examined.</summary>
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
