using System.Runtime.InteropServices;

namespace Ipcs.Node.Native;

/// <summary>
/// Configures glibc's allocator for RocksDB, which allocates and frees the 4 MiB blocks of its write buffers with each buffer written.
/// </summary>
internal static partial class GlibcAllocator
{
    // https://man7.org/linux/man-pages/man3/mallopt.3.html
    private const int TrimThreshold = -1;
    private const int MapThreshold = -3;
    private const int ArenaMax = -8;

    /// <summary>
    /// Free bytes at the top of an arena that are not returned to the kernel: the next write buffer causes no page faults.
    /// </summary>
    private const int KeptBytes = 64 << 20;

    /// <summary>
    /// The largest threshold that glibc accepts: blocks of write buffers come from the arenas and not from mappings of their own.
    /// </summary>
    private const int MappedFrom = 32 << 20;

    /// <summary>By default each thread has its own arena, and each would keep the memory of a write buffer.</summary>
    private const int Arenas = 2;

    /// <summary>To be called once, before a second thread is started.</summary>
    public static void Configure()
    {
        // mallopt returns 0 for a parameter that it does not accept; the default stays then.
        _ = mallopt(ArenaMax, Arenas);
        _ = mallopt(MapThreshold, MappedFrom);
        _ = mallopt(TrimThreshold, KeptBytes);
    }

    [LibraryImport("libc")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int mallopt(int parameter, int value);
}
