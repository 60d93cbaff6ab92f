using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Ipcs.Node.Native;

/// <summary>
/// libsodium inside the one binary. NSec takes exactly one version of it, which no distribution has as an archive to link; so the package's shared
/// library lies in the binary as a resource (native/Native.targets) and is loaded from memory. RocksDB needs nothing of this: it is linked.
/// </summary>
internal static partial class NativeLibraries
{
    private const string Sodium = "libsodium";
    private const string Resource = "libsodium.so";
    private const uint CloseOnExec = 1;

    // Loaded when it is first called: most commands do without it.
    private static readonly Lazy<nint> LoadedSodium = new(Load);

    /// <summary>
    /// To be called first, once, before anything uses NSec. Does nothing where the runtime finds the library itself: without ahead-of-time compilation.
    /// What calls libsodium gets a <see cref="DllNotFoundException"/> when it can be loaded neither from memory nor from a temporary file.
    /// </summary>
    public static void Initialize()
    {
        if (RuntimeFeature.IsDynamicCodeSupported)
        {
            return;
        }

        NativeLibrary.SetDllImportResolver(typeof(NSec.Cryptography.Key).Assembly, Resolve);
        NativeLibrary.SetDllImportResolver(typeof(Libp2p.IHost).Assembly, Resolve);
    }

    private static nint Resolve(string name, Assembly assembly, DllImportSearchPath? path) => name == Sodium ? LoadedSodium.Value : 0;

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

    // 0 where the kernel has no such files or forbids to run what lies in them (vm.memfd_noexec).
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
