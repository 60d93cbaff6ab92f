using System.Text.Json.Nodes;

namespace Ipcs.Oci.Sources;

/// <summary>An OCI layout folder. Spec: https://github.com/opencontainers/image-spec/blob/main/image-layout.md.</summary>
internal sealed class LayoutSource(string folder, string? tag) : IImageSource
{
    private const string RefName = "org.opencontainers.image.ref.name";

    /// <summary>Parses <c>DIR[:TAG]</c>; a folder whose name has a colon is taken whole when it is there.</summary>
    public static LayoutSource Parse(string text)
    {
        int colon = text.LastIndexOf(':');
        return colon > 0 && !Directory.Exists(text) ? new LayoutSource(text[..colon], text[(colon + 1)..]) : new LayoutSource(text, null);
    }

    /// <inheritdoc/>
    public async Task<Descriptor> ResolveAsync(CancellationToken cancellationToken)
    {
        string file = Path.Combine(folder, "index.json");
        byte[] bytes;
        try
        {
            bytes = await File.ReadAllBytesAsync(file, cancellationToken);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new ImageSourceException($"{folder} is no OCI layout: {e.Message}", e);
        }

        JsonObject index = ImageGraph.ParseDocument(bytes, Multiformats.Digest.Sha256(bytes));
        JsonNode?[] manifests = index["manifests"] is JsonArray array ? [.. array] : [];
        JsonNode?[] named = [.. manifests.Where(m => tag is null || (string?)m?["annotations"]?[RefName] == tag)];
        return named.Length == 1
            ? Descriptor.Parse(named[0])
            : throw new ImageSourceException(tag is null
                ? $"{folder} has {manifests.Length} images: name one as oci:{folder}:TAG"
                : $"{folder} has {named.Length} images with the tag {tag}");
    }

    /// <inheritdoc/>
    public Task<Stream> OpenAsync(Descriptor descriptor, CancellationToken cancellationToken)
    {
        string[] parts = descriptor.Digest.ToString().Split(':');
        try
        {
            return Task.FromResult<Stream>(new FileStream(
                Path.Combine(folder, "blobs", parts[0], parts[1]), FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0, FileOptions.SequentialScan));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new ImageSourceException($"{folder} lacks {descriptor.Digest}: {e.Message}", e);
        }
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}
