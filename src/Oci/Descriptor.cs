using System.Text.Json.Nodes;
using Ipcs.Multiformats;

namespace Ipcs.Oci;

/// <summary>
/// An OCI content descriptor. Spec: https://github.com/opencontainers/image-spec/blob/main/descriptor.md.
/// Only these fields are read; the others stay in the JSON document.
/// </summary>
/// <param name="MediaType">The media type of the content.</param>
/// <param name="Digest">The digest of the content.</param>
/// <param name="Size">The length of the content in bytes.</param>
public sealed record Descriptor(string MediaType, Digest Digest, long Size)
{
    /// <summary>The platform as <c>os/architecture</c>; null when absent.</summary>
    public string? Platform { get; init; }

    /// <summary>The variant of the architecture, such as <c>v7</c>; null when absent.</summary>
    public string? Variant { get; init; }

    /// <summary>True for an OCI index or a Docker manifest list.</summary>
    public bool IsIndex => MediaType is MediaTypes.OciIndex or MediaTypes.DockerList;

    /// <summary>True for an OCI or Docker manifest.</summary>
    public bool IsManifest => MediaType is MediaTypes.OciManifest or MediaTypes.DockerManifest;

    /// <summary>Reads a descriptor from JSON.</summary>
    /// <exception cref="ImageSourceException">A field is missing or invalid.</exception>
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

        throw new ImageSourceException($"invalid descriptor: {Shorten(node?.ToJsonString() ?? "null")}");
    }

    private static string? Text(JsonNode? node) => node is JsonValue value && value.TryGetValue(out string? text) ? text : null;

    private static string Shorten(string text) => text.Length <= 200 ? text : text[..200] + "…";
}
