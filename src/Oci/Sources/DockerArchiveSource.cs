using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Nodes;
using Ipcs.Multiformats;

namespace Ipcs.Oci.Sources;

/// <summary>
/// An image in an archive of <c>docker save</c>: a table <c>manifest.json</c>, configs, and layers as tars. It has no OCI manifest: one
/// is made from the table. Format: https://github.com/moby/docker-image-spec/blob/main/v1.2.md, section Combined Image JSON + Filesystem
/// Changeset Format.
/// </summary>
internal sealed class DockerArchiveSource(TarFiles files, string? name) : IImageSource
{
    private const string Table = "manifest.json";

    private readonly Dictionary<Digest, string> _paths = [];
    private byte[] _manifest = [];

    /// <inheritdoc/>
    public async Task<Descriptor> ResolveAsync(CancellationToken cancellationToken)
    {
        JsonObject entry = Pick(await LayoutDocument.ReadAsync(files, Table, cancellationToken));
        byte[] config = await LayoutDocument.ReadAsync(files, Text(entry["Config"]), cancellationToken);
        Descriptor configDescriptor = new(MediaTypes.OciConfig, Digest.Sha256(config), config.Length);
        _paths[configDescriptor.Digest] = Text(entry["Config"]);
        string[] layers = [.. (entry["Layers"] as JsonArray ?? []).Select(Text)];
        JsonArray? diffIds = ImageGraph.ParseDocument(config, configDescriptor.Digest)["rootfs"]?["diff_ids"] as JsonArray;
        if (layers.Length == 0 || layers.Length > ImageGraph.MaxDescriptors || diffIds?.Count != layers.Length)
        {
            throw new ImageSourceException($"{files.Name}: the image has {layers.Length} layers and {diffIds?.Count ?? 0} diff ids");
        }

        var described = new JsonArray();
        for (int i = 0; i < layers.Length; i++)
        {
            described.Add((JsonNode)ToJson(await DescribeLayerAsync(layers[i], Text(diffIds[i]), cancellationToken)));
        }

        _manifest = ImageGraph.Serialize(new JsonObject
        {
            ["schemaVersion"] = 2,
            ["mediaType"] = MediaTypes.OciManifest,
            ["config"] = ToJson(configDescriptor),
            ["layers"] = described,
        });
        return new Descriptor(MediaTypes.OciManifest, Digest.Sha256(_manifest), _manifest.Length);
    }

    /// <inheritdoc/>
    public async Task<Stream> OpenAsync(Descriptor descriptor, CancellationToken cancellationToken)
    {
        if (descriptor.IsManifest)
        {
            return new MemoryStream(_manifest, writable: false);
        }

        string path = _paths.GetValueOrDefault(descriptor.Digest)
            ?? throw new ImageSourceException($"{files.Name} lacks {descriptor.Digest}");
        (Stream bytes, _) = await files.OpenAsync(path, cancellationToken);
        return new VerifyingStream(bytes, descriptor);
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    private JsonObject Pick(byte[] table)
    {
        JsonObject[] images;
        try
        {
            images = JsonText.Parse(table) is JsonArray array ? [.. array.OfType<JsonObject>()] : [];
        }
        catch (JsonException e)
        {
            throw new ImageSourceException($"{files.Name}: {Table} is not valid JSON: {e.Message}", e);
        }

        JsonObject[] requested = [.. images.Where(i => name is null || (i["RepoTags"] as JsonArray ?? []).Select(Text).Any(IsRequested))];
        return requested.Length == 1 ? requested[0] : throw new ImageSourceException(name is null
            ? $"{files.Name} has {images.Length} images: append :NAME to choose one"
            : $"{files.Name} has {requested.Length} images called {name}");
    }

    private bool IsRequested(string repoTag) =>
        repoTag == name
        || (Reference.TryParse(repoTag, out Reference? has) && Reference.TryParse(name!, out Reference? wanted) && has == wanted);

    /// <summary>The digest of an uncompressed layer is its diff ID, which reading it verifies; a compressed layer is hashed here.</summary>
    private async Task<Descriptor> DescribeLayerAsync(string path, string diffId, CancellationToken cancellationToken)
    {
        (Stream bytes, long length) = await files.OpenAsync(path, cancellationToken);
        await using (bytes)
        {
            byte[] head = new byte[(int)Math.Min(length, 4)];
            await bytes.ReadExactlyAsync(head, cancellationToken);
            string? compression = head is [0x1f, 0x8b, ..] ? "+gzip" : head is [0x28, 0xb5, 0x2f, 0xfd] ? "+zstd" : null;
            Digest digest = compression is not null ? await HashAsync(head, bytes, cancellationToken)
                : Digest.TryParse(diffId, out Digest parsed) ? parsed
                : throw new ImageSourceException($"{files.Name}: '{diffId}' is not a valid diff id");
            _paths[digest] = path;
            return new Descriptor(MediaTypes.OciLayer + compression, digest, length);
        }
    }

    private static async Task<Digest> HashAsync(byte[] head, Stream rest, CancellationToken cancellationToken)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(head);
        byte[] buffer = new byte[1 << 18];
        for (int n; (n = await rest.ReadAsync(buffer, cancellationToken)) > 0;)
        {
            hash.AppendData(buffer.AsSpan(0, n));
        }

        return new Digest(new Multihash(Multihash.Sha2_256, hash.GetHashAndReset()));
    }

    private static JsonObject ToJson(Descriptor descriptor) => new()
    {
        ["mediaType"] = descriptor.MediaType,
        ["digest"] = descriptor.Digest.ToString(),
        ["size"] = descriptor.Size,
    };

    private static string Text(JsonNode? node) => node is JsonValue value && value.TryGetValue(out string? text) ? text : "";
}
