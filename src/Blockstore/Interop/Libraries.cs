using System.Reflection;
using System.Runtime.InteropServices;

namespace Ipcs.Blockstore.Interop;

/// <summary>Finds the native libraries: under the JIT the system's shared ones; the AOT binary has them linked in.</summary>
internal static class Libraries
{
    private static readonly string[] Folders = ["/usr/lib/x86_64-linux-gnu", "/usr/lib64", "/usr/lib", "/usr/local/lib"];

    static Libraries() => NativeLibrary.SetDllImportResolver(typeof(Libraries).Assembly, Resolve);

    /// <summary>Must be called before the first call of a native function.</summary>
    public static void Prepare()
    {
        // The static constructor registers the resolver.
    }

    private static nint Resolve(string name, Assembly assembly, DllImportSearchPath? path)
    {
        // The -dev package has the name without a version, the library's own package has the versioned ones.
        string[] candidates = name switch
        {
            RocksDb.Library => ["librocksdb.so", "librocksdb.so.7.8"],
            Zstd.Library => ["libzstd.so.1"],
            _ => [],
        };
        foreach (string candidate in candidates)
        {
            if (NativeLibrary.TryLoad(candidate, out nint handle))
            {
                return handle;
            }
        }

        return candidates.Length == 0 ? 0 : Folders
            .Where(Directory.Exists)
            .SelectMany(folder => Directory.EnumerateFiles(folder, $"lib{name}.so.*"))
            .Select(file => NativeLibrary.TryLoad(file, out nint handle) ? handle : 0)
            .FirstOrDefault(handle => handle != 0);
    }
}
