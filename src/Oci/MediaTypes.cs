namespace Ipcs.Oci;

/// <summary>The media types of images. Spec: https://github.com/opencontainers/image-spec/blob/main/media-types.md.</summary>
public static class MediaTypes
{
    /// <summary>An OCI index.</summary>
    public const string OciIndex = "application/vnd.oci.image.index.v1+json";

    /// <summary>An OCI manifest.</summary>
    public const string OciManifest = "application/vnd.oci.image.manifest.v1+json";

    /// <summary>An OCI image config.</summary>
    public const string OciConfig = "application/vnd.oci.image.config.v1+json";

    /// <summary>An OCI layer as an uncompressed tar; compressed ones have the suffix <c>+gzip</c> or <c>+zstd</c>.</summary>
    public const string OciLayer = "application/vnd.oci.image.layer.v1.tar";

    /// <summary>
    /// A Docker layer as a tar, which may be compressed all the same; the suffix of compressed ones is <c>.gzip</c> or <c>.zstd</c>.
    /// </summary>
    public const string DockerLayer = "application/vnd.docker.image.rootfs.diff.tar";

    /// <summary>A Docker manifest list.</summary>
    public const string DockerList = "application/vnd.docker.distribution.manifest.list.v2+json";

    /// <summary>A Docker manifest of schema 2.</summary>
    public const string DockerManifest = "application/vnd.docker.distribution.manifest.v2+json";

    /// <summary>The prefix of Docker manifests of schema 1, which are not supported.</summary>
    public const string DockerSchema1 = "application/vnd.docker.distribution.manifest.v1";

    /// <summary>True for layers that must not be redistributed: they are fetched from their own URLs only.</summary>
    public static bool IsForeign(string mediaType) =>
        mediaType.Contains(".foreign.", StringComparison.Ordinal) || mediaType.Contains(".nondistributable.", StringComparison.Ordinal);
}
