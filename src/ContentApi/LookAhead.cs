using System.Buffers;
using System.Text.Json;
using Ipcs.Blockstore;
using Ipcs.Dag;
using Ipcs.Dag.Read;
using Ipcs.Multiformats;

namespace Ipcs.ContentApi;

/// <summary>
/// Reads the digests that a manifest or an index names, so that the fleet can be asked before containerd asks.
/// Spec: https://github.com/opencontainers/image-spec/blob/main/manifest.md.
/// </summary>
internal static class LookAhead
{
    /// <summary>A manifest is no longer than this, in bytes, and a config or a layer rarely as short.</summary>
    private const long MaxLength = 4 << 20;

    /// <summary>The digests of a content that may be a manifest or an index; empty when it is neither.</summary>
    public static async Task<IReadOnlyList<Digest>> DigestsAsync(IStore store, ContentRecord content)
    {
        if (content.Size is 0 or > MaxLength)
        {
            return [];
        }

        byte[] bytes = ArrayPool<byte>.Shared.Rent((int)content.Size);
        try
        {
            await using DagReader reader = await DagReader.OpenAsync(content.Root, new LocalBlockSource(store.Blocks), CancellationToken.None);
            int n = await reader.ReadAsync(0, bytes.AsMemory(0, (int)content.Size), CancellationToken.None);
            return n > 0 && bytes[0] is (byte)'{' or (byte)' ' or (byte)'\n' ? Parse(bytes.AsMemory(0, n)) : [];
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(bytes);
        }
    }

    private static List<Digest> Parse(ReadOnlyMemory<byte> json)
    {
        var digests = new List<Digest>();
        try
        {
            using JsonDocument document = JsonDocument.Parse(json);
            if (document.RootElement.ValueKind != JsonValueKind.Object)
            {
                return digests;
            }

            foreach (string list in (string[])["manifests", "layers"])
            {
                if (document.RootElement.TryGetProperty(list, out JsonElement items) && items.ValueKind == JsonValueKind.Array)
                {
                    foreach (JsonElement item in items.EnumerateArray())
                    {
                        Add(item, digests);
                    }
                }
            }

            if (document.RootElement.TryGetProperty("config", out JsonElement config))
            {
                Add(config, digests);
            }
        }
        catch (JsonException)
        {
            // Something else that begins like JSON.
        }

        return digests;
    }

    private static void Add(JsonElement descriptor, List<Digest> digests)
    {
        if (descriptor.ValueKind == JsonValueKind.Object
            && descriptor.TryGetProperty("digest", out JsonElement text)
            && text.ValueKind == JsonValueKind.String
            && Digest.TryParse(text.GetString(), out Digest digest))
        {
            digests.Add(digest);
        }
    }
}
