using System.Reflection;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text.Json.Nodes;

namespace Ipcs.Node.Daemon;

/// <summary>The versions of the parts of this program whose defects are published separately.</summary>
internal static partial class ComponentVersions
{
    /// <summary>The names of the parts with their versions. Loads the libraries to ask them.</summary>
    public static JsonObject Document() => new()
    {
        ["ipcs"] = ProductVersion.Number,
        [".NET"] = Environment.Version.ToString(),

        // Its C API has no function for it: the version of the header with which it was built (native/Native.targets).
        ["RocksDB"] = Metadata("RocksDbVersion"),
        ["zstd"] = Marshal.PtrToStringUTF8(ZSTD_versionString()),
        ["OpenSSL"] = OpenSsl(SafeEvpPKeyHandle.OpenSslVersion),
        ["libsodium"] = Marshal.PtrToStringUTF8(sodium_version_string()),
    };

    /// <summary>The text of an OpenSSL version number, 0xMNN00PP0: https://docs.openssl.org/3.0/man3/OpenSSL_version/.</summary>
    internal static string OpenSsl(long version) => $"{version >> 28}.{(version >> 20) & 0xff}.{(version >> 4) & 0xff}";

    private static string? Metadata(string key) => typeof(ComponentVersions).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>()
        .FirstOrDefault(a => a.Key == key)?.Value;

    // https://doc.libsodium.org/usage
    [LibraryImport("libsodium")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial nint sodium_version_string();

    // https://github.com/facebook/zstd/blob/v1.5.4/lib/zstd.h
    [LibraryImport("zstd")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial nint ZSTD_versionString();
}
