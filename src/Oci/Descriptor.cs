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

    /// <summary>The variant of the architecture, such as <c>v7</c>; null when none is given.</summary>
    public string? Variant { get; init; }

    /// <summary>True for an index (of OCI or Docker).</summary>
    public bool IsIndex => MediaType is MediaTypes.OciIndex or MediaTypes.DockerList;

    /// <summary>True for a manifest (of OCI or Docker).</summary>
    public bool IsManifest => MediaType is MediaTypes.OciManifest or MediaTypes.DockerManifest;

    /// <summary>Reads one from JSON.</summary>
    /// <exception cref="ImageSourceException">A field is missing or ill-formed.</exception>
    public static Descriptor Parse(JsonNode? node)
    {
        if (node is JsonObject o
            && Text(o["mediaType"]) is { Length: > 0 and <= 255 } mediaType
            && Digest.TryParse(Text(o["digest"]), out Digest digest)
            && o["size"] is JsonValue value && value.TryGetValue(out long size) && size >= 0)
        {
            var platform = o["platform"] as JsonObject;
            string? os = Text(platform?["os"]);
            return new Descriptor(mediaType, digest, size)
            {
                Platform = os is null ? null : $"{os}/{Text(platform?["architecture"])}",
                Variant = Text(platform?["variant"]),
            };
        }

        throw new ImageSourceException($"a descriptor is ill-formed: {Shorten(node?.ToJsonString() ?? "null")}");
    }

    private static string? Text(JsonNode? node) => node is JsonValue value && value.TryGetValue(out string? text) ? text : null;

    private static string Shorten(string text) => text.Length <= 200 ? text : text[..200] + "…";
}
