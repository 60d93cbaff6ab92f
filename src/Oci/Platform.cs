using System.Runtime.InteropServices;

namespace Ipcs.Oci;

/// <summary>This host's platform, as manifests write it.</summary>
public static class Platform
{
    /// <summary><c>linux/amd64</c> and the like.</summary>
    public static string Host { get; } = "linux/" + RuntimeInformation.OSArchitecture switch
    {
        Architecture.X64 => "amd64",
        Architecture.Arm64 => "arm64",
        Architecture.Arm => "arm",
        Architecture.X86 => "386",
        var other => other.ToString().ToLowerInvariant(),
    };
}
