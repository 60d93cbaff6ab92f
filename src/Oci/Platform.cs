using System.Runtime.InteropServices;

namespace Ipcs.Oci;

/// <summary>Platforms in the form <c>os/architecture</c>.</summary>
public static class Platform
{
    /// <summary>The platform of this host, such as <c>linux/amd64</c>.</summary>
    public static string Host { get; } = "linux/" + RuntimeInformation.OSArchitecture switch
    {
        Architecture.X64 => "amd64",
        Architecture.Arm64 => "arm64",
        Architecture.Arm => "arm",
        Architecture.X86 => "386",
        var other => other.ToString().ToLowerInvariant(),
    };

    /// <summary>
    /// The manifests of an index for a platform: the one that matches best, else those without a platform; all when
    /// <paramref name="platform"/> is null.
    /// </summary>
    public static IReadOnlyList<Descriptor> Choose(IReadOnlyList<Descriptor> manifests, string? platform)
    {
        if (platform is null)
        {
            return manifests;
        }

        Descriptor? best = manifests.Where(m => m.Platform == platform).OrderBy(Rank).FirstOrDefault();
        return best is not null ? [best] : [.. manifests.Where(m => m.Platform is null)];
    }

    /// <summary>
    /// Ranks variants: first the one that runs on every CPU of the architecture; for 32-bit ARM the newest, as containerd does on most
    /// boards.
    /// </summary>
    private static int Rank(Descriptor manifest) => manifest.Variant switch
    {
        null or "" or "v1" or "v8" => 0,
        "v7" => -1,
        "v6" => 1,
        "v5" => 2,
        _ => 3,
    };
}
