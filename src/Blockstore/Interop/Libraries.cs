using System.Reflection;
using System.Runtime.InteropServices;

namespace Ipcs.Blockstore.Interop;

/// <summary>Where the native libraries are: under the JIT they are the system's shared ones; the AOT binary has them inside.</summary>
internal static class Libraries
{
    private static readonly string[] Folders = ["/usr/lib/x86_64-linux-gnu", "/usr/lib64", "/usr/lib", "/usr/local/lib"];

    static Libraries() => NativeLibrary.SetDllImportResolver(typeof(Libraries).Assembly, Resolve);

    /// <summary>To be called before the first function of one of them.</summary>
    public static void Prepare()
    {
        // The static constructor does it, once.
    }

    private static nint Resolve(string name, Assembly assembly, DllImportSearchPath? path)
    {
        // The name without a version comes with the -dev package; the versioned ones with the library's own.
        string[] candidates = name switch
        {
            RocksDb.Library => ["librocksdb.so", "librocksdb.so.7.8"],
            Zstd.Library => ["libzstd.so.1"],
            _ => [],
        };
        foreach (string candidate in candidates)
        {
            if (NativeLibrary.TryLoad(candidate, out nint handle))
                return handle;
        }

        return candidates.Length == 0 ? 0 : Folders
            .Where(Directory.Exists)
            .SelectMany(folder => Directory.EnumerateFiles(folder, $"lib{name}.so.*"))
            .Select(file => NativeLibrary.TryLoad(file, out nint handle) ? handle : 0)
            .FirstOrDefault(handle => handle != 0);
    }
}
