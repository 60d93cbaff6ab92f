using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Ipcs.Blockstore.Posix;

/// <summary>
/// An open file that one process lets another process duplicate (docs/decisions/0015-files-by-descriptor.md). Besides the descriptor's
/// number, both sides communicate by flags and offset of the open file description, which they share.
/// </summary>
public static partial class PassedDescriptor
{
    /// <summary>
    /// The header of a part of <c>ipcs/add</c> that has the number of the client's descriptor instead of the file's bytes.
    /// </summary>
    public const string Header = "Ipcs-Descriptor";

    // https://man7.org/linux/man-pages/man2/fcntl.2.html and lseek.2.html
    private const int GetFlags = 3;
    private const int SetFlags = 4;
    private const int AccessMode = 3;
    private const int Append = 0x400;
    private const int FromStart = 0;
    private const int FromCurrent = 1;

    /// <summary>
    /// Marks a file opened for reading as meant to be passed, by a flag (O_APPEND) that has no effect on reading and that others do not
    /// set. A client that reaches the daemon through another process, such as a proxy, could name that process's descriptors but cannot
    /// mark them.
    /// </summary>
    /// <exception cref="IOException">The flag cannot be set.</exception>
    public static void Mark(SafeFileHandle file)
    {
        int flags = fcntl(file, GetFlags, 0);
        if (flags < 0 || fcntl(file, SetFlags, flags | Append) < 0)
        {
            throw new IOException(Marshal.GetPInvokeErrorMessage(Marshal.GetLastPInvokeError()));
        }
    }

    /// <summary>True when the file is marked and open for reading only. A descriptor opened with <c>O_PATH</c> cannot be marked.</summary>
    public static bool IsMarked(SafeFileHandle file) =>
        fcntl(file, GetFlags, 0) is >= 0 and var flags && (flags & (AccessMode | Append)) == Append;

    /// <summary>The offset in bytes up to which the other side has read.</summary>
    public static long Position(SafeFileHandle file) => Math.Max(0, lseek(file, 0, FromCurrent));

    /// <summary>Sets the offset that the other side sees. Reads do not use it.</summary>
    public static void SetPosition(SafeFileHandle file, long position) => _ = lseek(file, position, FromStart);

    [LibraryImport("libc", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int fcntl(SafeFileHandle file, int command, nint argument);

    [LibraryImport("libc")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial long lseek(SafeFileHandle file, long offset, int whence);
}
