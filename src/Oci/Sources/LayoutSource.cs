using System.Text.Json.Nodes;
using Ipcs.Multiformats;

namespace Ipcs.Oci.Sources;

/// <summary>An image in an OCI layout. Spec: https://github.com/opencontainers/image-spec/blob/main/image-layout.md.</summary>
internal sealed class LayoutSource(ILayoutFiles files, string? tag) : IImageSource
{
    private const string RefName = "org.opencontainers.image.ref.name";
    private const string ContainerdName = "io.containerd.image.name";

    /// <summary>Parses <c>DIR[:TAG]</c>; when a folder of the whole name exists, there is no tag.</summary>
    /// <exception cref="ImageSourceException">The path is that of a file.</exception>
    public static LayoutSource InFolder(string text)
    {
        if (text.Length == 0 || File.Exists(text))
        {
            throw new ImageSourceException(text.Length == 0 ? "the path of the layout is empty" : $"{text} is a file, not a folder");
        }

        int colon = text.LastIndexOf(':');
        return colon > 0 && !Directory.Exists(text)
            ? new LayoutSource(new FolderFiles(text[..colon]), text[(colon + 1)..])
            : new LayoutSource(new FolderFiles(text), null);
    }

    /// <inheritdoc/>
    public async Task<Descriptor> ResolveAsync(CancellationToken cancellationToken)
    {
        byte[] bytes = await LayoutDocument.ReadAsync(files, "index.json", cancellationToken);
        JsonObject index = ImageGraph.ParseDocument(bytes, Digest.Sha256(bytes));
        JsonNode?[] manifests = index["manifests"] is JsonArray array ? [.. array] : [];
        Descriptor[] named = [.. manifests.Where(IsRequested).Select(Descriptor.Parse)];

        // Several entries with the same digest are one image with several names.
        if (named.DistinctBy(d => d.Digest).Count() == 1)
        {
            return named[0];
        }

        throw new ImageSourceException(tag is null
            ? $"{files.Name} has {manifests.Length} images: append :TAG to choose one"
            : $"{files.Name} has {named.Length} images with the tag {tag}");
    }

    /// <inheritdoc/>
    public async Task<Stream> OpenAsync(Descriptor descriptor, CancellationToken cancellationToken)
    {
        (Stream bytes, _) = await files.OpenAsync("blobs/" + descriptor.Digest.ToString().Replace(':', '/'), cancellationToken);
        return new VerifyingStream(bytes, descriptor);
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    private bool IsRequested(JsonNode? manifest) =>
        tag is null || Annotation(manifest, RefName) == tag || Annotation(manifest, ContainerdName) == tag;

    private static string? Annotation(JsonNode? manifest, string name) =>
        (manifest as JsonObject)?["annotations"] is JsonObject annotations
        && annotations[name] is JsonValue value && value.TryGetValue(out string? text)
            ? text
            : null;
}
