using System.Text.Json;

namespace Ipcs.Multiformats;

/// <summary>
/// Finds the descriptors in a manifest or index.
/// Spec: https://github.com/opencontainers/image-spec/blob/main/manifest.md and image-index.md; Docker's schema 2 has the same names.
/// </summary>
public static class DescriptorScan
{
    /// <summary>The longest text looked at: what registries take for a manifest.</summary>
    public const int MaxLength = 4 << 20;

    /// <summary>The most descriptors: an image has at most some hundreds.</summary>
    private const int MaxDigests = 4096;

    /// <summary>The digests named by <paramref name="text"/>; none when it is no manifest.</summary>
    public static IReadOnlyList<Digest> Descriptors(ReadOnlyMemory<byte> text)
    {
        if (text.IsEmpty || text.Length > MaxLength || text.Span[0] != '{')
        {
            return [];
        }

        var found = new List<Digest>();
        try
        {
            using JsonDocument document = JsonDocument.Parse(text, new JsonDocumentOptions { MaxDepth = 32 });
            JsonElement root = document.RootElement;
            Collect(root, "manifests", found);
            Collect(root, "layers", found);
            if (root.TryGetProperty("config", out JsonElement config))
            {
                Add(config, found);
            }
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            // Many blobs begin with a brace and are no JSON, or have text that is none: there is nothing to ask ahead for.
        }

        return found;
    }

    private static void Collect(JsonElement root, string name, List<Digest> found)
    {
        if (root.TryGetProperty(name, out JsonElement list) && list.ValueKind == JsonValueKind.Array)
        {
            foreach (JsonElement item in list.EnumerateArray())
            {
                Add(item, found);
            }
        }
    }

    private static void Add(JsonElement descriptor, List<Digest> found)
    {
        if (found.Count < MaxDigests
            && descriptor.ValueKind == JsonValueKind.Object
            && descriptor.TryGetProperty("digest", out JsonElement text)
            && text.ValueKind == JsonValueKind.String
            && Digest.TryParse(text.GetString(), out Digest digest))
        {
            found.Add(digest);
        }
    }
}
