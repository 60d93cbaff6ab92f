using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using Ipcs.Multiformats;

namespace Ipcs.Oci;

/// <summary>Reads manifests and indexes, and walks from one to all that it names.</summary>
public static class ImageGraph
{
    /// <summary>The longest manifest, index or config, in bytes: twice what registries take.</summary>
    public const int MaxDocument = 8 << 20;

    /// <summary>The most descriptors of an image: some hundred layers on each of some ten platforms.</summary>
    public const int MaxDescriptors = 4096;

    /// <summary>An index in an index in an index is no image.</summary>
    public const int MaxDepth = 4;

    /// <summary>The descriptor of a target whose bytes are here: its media type is in the document, or follows from its fields.</summary>
    public static Descriptor TargetDescriptor(ReadOnlySpan<byte> document, Digest digest, long size)
    {
        JsonObject root = ParseDocument(document, digest);
        string mediaType = root["mediaType"] is JsonValue value && value.TryGetValue(out string? text) && text.Length > 0 ? text
            : root["manifests"] is JsonArray ? MediaTypes.OciIndex
            : root["config"] is JsonObject ? MediaTypes.OciManifest
            : throw new ImageSourceException($"{digest} is neither a manifest nor an index");
        return new Descriptor(mediaType, digest, size);
    }

    /// <summary>
    /// All descriptors of an image, parents before children; of an index the given platform's alone, all when it is null.
    /// Layers that must not be redistributed are left out.
    /// </summary>
    /// <exception cref="ImageSourceException">A document is ill-formed, there is nothing for the platform, or the image is over its bounds.</exception>
    public static async Task<IReadOnlyList<Descriptor>> ExpandAsync(
        Descriptor target, Func<Digest, CancellationToken, Task<byte[]>> read, string? platform, CancellationToken cancellationToken)
    {
        var all = new List<Descriptor>();
        var seen = new HashSet<Digest>();
        await ExpandAsync(target, 0);
        return all;

        async Task ExpandAsync(Descriptor descriptor, int depth)
        {
            if (!seen.Add(descriptor.Digest))
            {
                return;
            }

            if (depth > MaxDepth || all.Count == MaxDescriptors)
            {
                throw TooLarge(target.Digest);
            }

            all.Add(descriptor);
            if (descriptor.IsIndex || descriptor.IsManifest)
            {
                JsonObject document = ParseDocument(await read(descriptor.Digest, cancellationToken), descriptor.Digest);
                IReadOnlyList<Descriptor> children = Children(document, platform);
                if (children.Count == 0 && document["manifests"] is JsonArray)
                {
                    throw new ImageSourceException($"the index {descriptor.Digest} has no manifest for {platform}");
                }

                foreach (Descriptor child in children)
                {
                    await ExpandAsync(child, depth + 1);
                }
            }
        }
    }

    /// <summary>What a manifest or an index names, layers that must not be redistributed left out.</summary>
    public static IReadOnlyList<Descriptor> Children(JsonObject document, string? platform)
    {
        if (document["manifests"] is JsonArray manifests)
        {
            return Platform.Choose([.. manifests.Select(Descriptor.Parse)], platform);
        }

        return [.. Parts(document).Select(Descriptor.Parse).Where(d => !MediaTypes.IsForeign(d.MediaType))];
    }

    /// <summary>The JSON of a manifest's descriptors: its config and its layers.</summary>
    public static IEnumerable<JsonNode?> Parts(JsonObject manifest)
    {
        if (manifest["config"] is { } config)
        {
            yield return config;
        }

        foreach (JsonNode? layer in manifest["layers"] as JsonArray ?? [])
        {
            yield return layer;
        }
    }

    /// <summary>Parses a manifest, an index or a config.</summary>
    /// <exception cref="ImageSourceException">It is none: no JSON object (as <see cref="JsonText"/> has it), manifest and index at once, or of schema 1.</exception>
    public static JsonObject ParseDocument(ReadOnlySpan<byte> document, Digest digest)
    {
        JsonObject root;
        try
        {
            root = JsonText.Parse(document) as JsonObject
                ?? throw new ImageSourceException($"{digest} is no JSON object");
        }
        catch (JsonException e)
        {
            throw new ImageSourceException($"{digest} is no JSON: {e.Message}", e);
        }

        // A document that is both would be read differently by different programs.
        if (root["manifests"] is not null && (root["layers"] is not null || root["config"] is not null))
        {
            throw new ImageSourceException($"{digest} is a manifest and an index at once");
        }

        return root["fsLayers"] is null ? root : throw SchemaOne(digest.ToString());
    }

    /// <summary>The bytes of a document, as short as its JSON can be written.</summary>
    public static byte[] Serialize(JsonObject document)
    {
        using var bytes = new MemoryStream();
        using (var writer = new Utf8JsonWriter(bytes, new JsonWriterOptions { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            document.WriteTo(writer);
        }

        return bytes.ToArray();
    }

    internal static ImageSourceException SchemaOne(string what) =>
        new($"{what} is a Docker image manifest of schema 1, which is no longer supported: push the image again with a current tool");

    internal static ImageSourceException TooLarge(Digest target) =>
        new($"{target} is deeper than {MaxDepth} or has more than {MaxDescriptors} descriptors");
}
