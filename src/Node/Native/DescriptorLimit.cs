using System.Runtime.InteropServices;

namespace Ipcs.Node.Native;

/// <summary>How many descriptors this process may have open. Spec: https://man7.org/linux/man-pages/man2/getrlimit.2.html.</summary>
internal static partial class DescriptorLimit
{
    private const int OpenFiles = 7;

    /// <summary>
    /// Raises the soft limit to the hard one, as programs that use poll or epoll may: the soft limit of 1024 is for those that use select.
    /// Returns the limit that holds now.
    /// </summary>
    public static ulong Raise()
    {
        if (getrlimit(OpenFiles, out Limit limit) != 0)
        {
            return ulong.MaxValue;
        }

        var raised = new Limit(limit.Hard, limit.Hard);
        return limit.Soft < limit.Hard && setrlimit(OpenFiles, in raised) == 0 ? limit.Hard : limit.Soft;
    }

    [LibraryImport("libc")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int getrlimit(int resource, out Limit limit);

    [LibraryImport("libc")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int setrlimit(int resource, in Limit limit);

    /// <summary><c>struct rlimit</c>; the greatest value stands for no limit.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private readonly record struct Limit(ulong Soft, ulong Hard);
}
