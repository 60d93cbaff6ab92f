using System.Runtime.InteropServices;

namespace Ipcs.Node.Native;

/// <summary>How glibc's allocator keeps memory for RocksDB, whose write buffers of 4 MiB pieces come and go with every buffer written.</summary>
internal static partial class GlibcAllocator
{
    // https://man7.org/linux/man-pages/man3/mallopt.3.html
    private const int TrimThreshold = -1;
    private const int MapThreshold = -3;
    private const int ArenaMax = -8;

    /// <summary>The write buffers: what is freed within this is used again without a page fault for each 4 KiB.</summary>
    private const int KeptBytes = 64 << 20;

    /// <summary>The most that glibc takes: the pieces come from the arenas, not from mappings of their own.</summary>
    private const int MappedFrom = 32 << 20;

    /// <summary>With one for each thread, as by default, every thread that ever wrote a buffer keeps its own.</summary>
    private const int Arenas = 2;

    /// <summary>To be called once, before there are threads.</summary>
    public static void Initialize()
    {
        // It says 0 for what it doesn't take; then memory is kept as it was.
        _ = mallopt(ArenaMax, Arenas);
        _ = mallopt(MapThreshold, MappedFrom);
        _ = mallopt(TrimThreshold, KeptBytes);
    }

    [LibraryImport("libc")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int mallopt(int parameter, int value);
}
