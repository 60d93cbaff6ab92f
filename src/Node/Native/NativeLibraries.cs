using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Ipcs.Node.Native;

/// <summary>
/// Loads libsodium from a resource of the binary. NSec needs exactly one version of it, and no distribution packages that version as an
/// archive to link, so the shared library of the NuGet package is embedded (native/Native.targets) and loaded from memory. RocksDB is
/// linked.
/// </summary>
internal static partial class NativeLibraries
{
    private const string Sodium = "libsodium";
    private const string Resource = "libsodium.so";
    private const uint CloseOnExec = 1;

    // Loaded on the first call, since most commands do not need it.
    private static readonly Lazy<nint> LoadedSodium = new(Load);

    /// <summary>
    /// Registers the loader. To be called once, before the first use of NSec. Does nothing without ahead-of-time compilation, where the
    /// runtime finds the library itself. When the library can be loaded neither from memory nor from a temporary file, its first use throws
    /// <see cref="DllNotFoundException"/>.
    /// </summary>
    public static void Initialize()
    {
        if (RuntimeFeature.IsDynamicCodeSupported)
        {
            return;
        }

        NativeLibrary.SetDllImportResolver(typeof(NSec.Cryptography.Key).Assembly, Resolve);
        NativeLibrary.SetDllImportResolver(typeof(Libp2p.IHost).Assembly, Resolve);
        NativeLibrary.SetDllImportResolver(typeof(NativeLibraries).Assembly, Resolve);
    }

    private static nint Resolve(string name, Assembly assembly, DllImportSearchPath? path) =>
        name == Sodium ? LoadedSodium.Value : 0;

    private static nint Load()
    {
        using Stream? resource = typeof(NativeLibraries).Assembly.GetManifestResourceStream(Resource);
        if (resource is null)
        {
            return 0;
        }

        nint library = LoadFromMemory(resource);
        return library != 0 ? library : LoadFromFile(resource);
    }

    // Returns 0 where the kernel has no memory files or forbids to run code from them (vm.memfd_noexec).
    private static unsafe nint LoadFromMemory(Stream resource)
    {
        int descriptor;
        fixed (byte* name = "libsodium\0"u8)
        {
            descriptor = memfd_create(name, CloseOnExec);
        }

        if (descriptor < 0)
        {
            return 0;
        }

        using SafeFileHandle handle = new(descriptor, ownsHandle: true);
        Write(resource, handle);
        return NativeLibrary.TryLoad($"/proc/self/fd/{descriptor}", out nint library) ? library : 0;
    }

    private static nint LoadFromFile(Stream resource)
    {
        DirectoryInfo folder = Directory.CreateTempSubdirectory("ipcs-");
        try
        {
            string file = Path.Combine(folder.FullName, Resource);
            using (SafeFileHandle handle = File.OpenHandle(file, FileMode.CreateNew, FileAccess.Write))
            {
                Write(resource, handle);
            }

            return NativeLibrary.Load(file);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private static void Write(Stream resource, SafeFileHandle file)
    {
        byte[] buffer = new byte[64 << 10];
        resource.Position = 0;
        long offset = 0;
        int n;
        while ((n = resource.Read(buffer)) > 0)
        {
            RandomAccess.Write(file, buffer.AsSpan(0, n), offset);
            offset += n;
        }
    }

    // https://man7.org/linux/man-pages/man2/memfd_create.2.html
    [LibraryImport("libc")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static unsafe partial int memfd_create(byte* name, uint flags);
}
