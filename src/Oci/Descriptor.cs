using System.Text.Json.Nodes;
using Ipcs.Multiformats;

namespace Ipcs.Oci;

/// <summary>
/// What a manifest says of a content. Spec: https://github.com/opencontainers/image-spec/blob/main/descriptor.md.
/// Fields that are not read here stay in the JSON that it came from.
/// </summary>
/// <param name="MediaType">What it is.</param>
/// <param name="Digest">Its digest.</param>
/// <param name="Size">Its length in bytes.</param>
public sealed record Descriptor(string MediaType, Digest Digest, long Size)
{
    /// <summary>The platform's <c>os/architecture</c>; null when none is given.</summary>
    public string? Platform { get; init; }

    /// <summary>True for an index (of OCI or Docker).</summary>
    public bool IsIndex => MediaType is MediaTypes.OciIndex or MediaTypes.DockerList;

    /// <summary>True for a manifest (of OCI or Docker).</summary>
    public bool IsManifest => MediaType is MediaTypes.OciManifest or MediaTypes.DockerManifest;

    /// <summary>Reads one from JSON.</summary>
    /// <exception cref="ImageSourceException">A field is missing or ill-formed.</exception>
    public static Descriptor Parse(JsonNode? node)
    {
        if (node is JsonObject o
            && Text(o["mediaType"]) is { Length: > 0 } mediaType
            && Digest.TryParse(Text(o["digest"]), out Digest digest)
            && o["size"] is JsonValue value && value.TryGetValue(out long size) && size >= 0)
        {
            string? os = Text(o["platform"]?["os"]), architecture = Text(o["platform"]?["architecture"]);
            return new Descriptor(mediaType, digest, size) { Platform = os is null ? null : $"{os}/{architecture}" };
        }

        throw new ImageSourceException($"a descriptor is ill-formed: {Shorten(node?.ToJsonString() ?? "null")}");
    }

    private static string? Text(JsonNode? node) => node is JsonValue value && value.TryGetValue(out string? text) ? text : null;

    private static string Shorten(string text) => text.Length <= 200 ? text : text[..200] + "…";
}

/// <summary>The media types that have structure.</summary>
public static class MediaTypes
{
    /// <summary>An index.</summary>
    public const string OciIndex = "application/vnd.oci.image.index.v1+json";

    /// <summary>A manifest.</summary>
    public const string OciManifest = "application/vnd.oci.image.manifest.v1+json";

    /// <summary>Docker's index.</summary>
    public const string DockerList = "application/vnd.docker.distribution.manifest.list.v2+json";

    /// <summary>Docker's manifest.</summary>
    public const string DockerManifest = "application/vnd.docker.distribution.manifest.v2+json";

    /// <summary>Docker's old manifest, which names layers by their tars and can't be pulled by digest.</summary>
    public const string DockerSchema1 = "application/vnd.docker.distribution.manifest.v1";

    /// <summary>True for layers that must not be redistributed.</summary>
    public static bool IsForeign(string mediaType) =>
        mediaType.Contains("foreign", StringComparison.Ordinal) || mediaType.Contains("nondistributable", StringComparison.Ordinal);
}

/// <summary>An image can't be had or is not what it claims; the message says what and where.</summary>
public sealed class ImageSourceException(string message, Exception? inner = null) : IOException(message, inner);
