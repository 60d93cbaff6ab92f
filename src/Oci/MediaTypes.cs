namespace Ipcs.Oci;

/// <summary>The media types that have structure. Spec: https://github.com/opencontainers/image-spec/blob/main/media-types.md.</summary>
public static class MediaTypes
{
    /// <summary>An index.</summary>
    public const string OciIndex = "application/vnd.oci.image.index.v1+json";

    /// <summary>A manifest.</summary>
    public const string OciManifest = "application/vnd.oci.image.manifest.v1+json";

    /// <summary>A config.</summary>
    public const string OciConfig = "application/vnd.oci.image.config.v1+json";

    /// <summary>A layer that is a plain tar; compressed ones have <c>+gzip</c> or <c>+zstd</c> behind.</summary>
    public const string OciLayer = "application/vnd.oci.image.layer.v1.tar";

    /// <summary>Docker's layer that is a plain tar, or so it says; compressed ones have <c>.gzip</c> or <c>.zstd</c> behind.</summary>
    public const string DockerLayer = "application/vnd.docker.image.rootfs.diff.tar";

    /// <summary>Docker's index.</summary>
    public const string DockerList = "application/vnd.docker.distribution.manifest.list.v2+json";

    /// <summary>Docker's manifest.</summary>
    public const string DockerManifest = "application/vnd.docker.distribution.manifest.v2+json";

    /// <summary>Docker's old manifest, which names layers by their tars and can't be pulled by digest.</summary>
    public const string DockerSchema1 = "application/vnd.docker.distribution.manifest.v1";

    /// <summary>True for layers that must not be redistributed: they stay where their URLs say.</summary>
    public static bool IsForeign(string mediaType) =>
        mediaType.Contains(".foreign.", StringComparison.Ordinal) || mediaType.Contains(".nondistributable.", StringComparison.Ordinal);
}
