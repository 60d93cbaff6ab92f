using System.Text.Json;
using System.Text.Json.Nodes;
using Ipcs.Multiformats;

namespace Ipcs.Oci;

/// <summary>Walks from a manifest or an index to all that it names.</summary>
public static class ImageGraph
{
    /// <summary>The most descriptors of an image: some hundred layers on each of some ten platforms.</summary>
    private const int MaxDescriptors = 4096;

    /// <summary>An index in an index in an index is no image.</summary>
    private const int MaxDepth = 4;

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

    /// <summary>All descriptors of an image, parents before children; of an index the given platform's alone, when there is such a one.</summary>
    public static async Task<IReadOnlyList<Descriptor>> ExpandAsync(
        Descriptor target, Func<Digest, CancellationToken, Task<byte[]>> read, string platform, CancellationToken cancellationToken)
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
                throw new ImageSourceException($"{target.Digest} is deeper than {MaxDepth} or has more than {MaxDescriptors} descriptors");
            }

            all.Add(descriptor);
            if (descriptor.IsIndex || descriptor.IsManifest)
            {
                JsonObject document = ParseDocument(await read(descriptor.Digest, cancellationToken), descriptor.Digest);
                foreach (Descriptor child in Children(document, platform))
                {
                    await ExpandAsync(child, depth + 1);
                }
            }
        }
    }

    /// <summary>What a manifest or an index names.</summary>
    public static IReadOnlyList<Descriptor> Children(JsonObject document, string? platform)
    {
        if (document["manifests"] is JsonArray manifests)
        {
            Descriptor[] all = [.. manifests.Select(Descriptor.Parse)];
            Descriptor[] ours = [.. all.Where(m => platform is null || m.Platform == platform)];
            return ours.Length > 0 ? ours : all;
        }

        var children = new List<Descriptor>();
        if (document["config"] is { } config)
        {
            children.Add(Descriptor.Parse(config));
        }

        if (document["layers"] is JsonArray layers)
        {
            children.AddRange(layers.Select(Descriptor.Parse).Where(l => !MediaTypes.IsForeign(l.MediaType)));
        }

        return children;
    }

    /// <summary>Parses a manifest or an index.</summary>
    public static JsonObject ParseDocument(ReadOnlySpan<byte> document, Digest digest)
    {
        try
        {
            return JsonNode.Parse(document, documentOptions: new JsonDocumentOptions { MaxDepth = 32 }) as JsonObject
                ?? throw new ImageSourceException($"{digest} is no JSON object");
        }
        catch (Exception e) when (e is JsonException or ArgumentException)
        {
            throw new ImageSourceException($"{digest} is no JSON: {e.Message}", e);
        }
    }
}
