using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using Ipcs.Multiformats;

namespace Ipcs.Oci;

/// <summary>Parses manifests and indexes, and expands an image to all its descriptors.</summary>
public static class ImageGraph
{
    /// <summary>The longest manifest, index or config, in bytes: twice the limit of registries.</summary>
    public const int MaxDocument = 8 << 20;

    /// <summary>The most descriptors of an image: a hundred layers for each of some ten platforms are far fewer.</summary>
    public const int MaxDescriptors = 4096;

    /// <summary>The deepest nesting of indexes. Real images have one index over their manifests.</summary>
    public const int MaxDepth = 4;

    /// <summary>
    /// The descriptor of a manifest or index, by its bytes: the media type is a field of the document or follows from its other fields.
    /// </summary>
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
    /// All descriptors of an image, parents before children. Of an index only those for <paramref name="platform"/>, all when it is null.
    /// Layers that must not be redistributed are left out.
    /// </summary>
    /// <exception cref="ImageSourceException">A document is invalid, nothing is for the platform, or the image is over a bound.</exception>
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

    /// <summary>The children of a manifest or index, without layers that must not be redistributed.</summary>
    public static IReadOnlyList<Descriptor> Children(JsonObject document, string? platform)
    {
        if (document["manifests"] is JsonArray manifests)
        {
            return Platform.Choose([.. manifests.Select(Descriptor.Parse)], platform);
        }

        return [.. Parts(document).Select(Descriptor.Parse).Where(d => !MediaTypes.IsForeign(d.MediaType))];
    }

    /// <summary>The JSON nodes of a manifest's descriptors: config and layers.</summary>
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
    /// <exception cref="ImageSourceException">
    /// The document is no JSON object (see <see cref="JsonText"/>), is both a manifest and an index, or has schema 1.
    /// </exception>
    public static JsonObject ParseDocument(ReadOnlySpan<byte> document, Digest digest)
    {
        JsonObject root;
        try
        {
            root = JsonText.Parse(document) as JsonObject
                ?? throw new ImageSourceException($"{digest} is not a JSON object");
        }
        catch (JsonException e)
        {
            throw new ImageSourceException($"{digest} is not valid JSON: {e.Message}", e);
        }

        // Programs would disagree on how to read a document that is both.
        if (root["manifests"] is not null && (root["layers"] is not null || root["config"] is not null))
        {
            throw new ImageSourceException($"{digest} is both a manifest and an index");
        }

        return root["fsLayers"] is null ? root : throw SchemaOne(digest.ToString());
    }

    /// <summary>Writes a document as JSON without white space.</summary>
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
        new($"{target} nests indexes deeper than {MaxDepth} or has more than {MaxDescriptors} descriptors");
}
