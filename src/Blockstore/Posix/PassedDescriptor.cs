using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Ipcs.Blockstore.Posix;

/// <summary>
/// An open file that one process lets another duplicate (docs/decisions/0015-files-by-descriptor.md). What both sides need of each other beyond
/// its number is a property of the open file itself, which they share.
/// </summary>
public static partial class PassedDescriptor
{
    /// <summary>The header of a part of <c>ipcs/add</c> that has the descriptor's number in the client instead of the file's bytes.</summary>
    public const string Header = "Ipcs-Descriptor";

    // https://man7.org/linux/man-pages/man2/fcntl.2.html and lseek.2.html
    private const int GetFlags = 3;
    private const int SetFlags = 4;
    private const int AccessMode = 3;
    private const int Append = 0x400;
    private const int FromStart = 0;
    private const int FromCurrent = 1;

    /// <summary>
    /// Says that a file opened for reading is meant to be passed, by a flag that means nothing for reading and that nobody else sets: who speaks to
    /// the daemon through another's connection (a proxy's, say) can name that process's descriptors, but not mark them.
    /// </summary>
    /// <exception cref="IOException">The kernel refuses.</exception>
    public static void Mark(SafeFileHandle file)
    {
        int flags = fcntl(file, GetFlags, 0);
        if (flags < 0 || fcntl(file, SetFlags, flags | Append) < 0)
        {
            throw new IOException(Marshal.GetPInvokeErrorMessage(Marshal.GetLastPInvokeError()));
        }
    }

    /// <summary>True when it is open for reading alone, and marked. One opened as a mere place (<c>O_PATH</c>) can't be.</summary>
    public static bool IsMarked(SafeFileHandle file) => fcntl(file, GetFlags, 0) is >= 0 and var flags && (flags & (AccessMode | Append)) == Append;

    /// <summary>How far the other side has read, in bytes.</summary>
    public static long Position(SafeFileHandle file) => Math.Max(0, lseek(file, 0, FromCurrent));

    /// <summary>Says how far it is read. Nothing is read from there.</summary>
    public static void SetPosition(SafeFileHandle file, long position) => _ = lseek(file, position, FromStart);

    [LibraryImport("libc", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int fcntl(SafeFileHandle file, int command, nint argument);

    [LibraryImport("libc")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial long lseek(SafeFileHandle file, long offset, int whence);
}
