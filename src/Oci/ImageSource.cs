using Ipcs.Oci.Sources;

namespace Ipcs.Oci;

/// <summary>Where an image comes from.</summary>
public interface IImageSource : IAsyncDisposable
{
    /// <summary>What the name stands for.</summary>
    Task<Descriptor> ResolveAsync(CancellationToken cancellationToken);

    /// <summary>Opens a content. The bytes are not checked: <see cref="VerifyingStream"/> does that.</summary>
    Task<Stream> OpenAsync(Descriptor descriptor, CancellationToken cancellationToken);
}

/// <summary>How sources are opened.</summary>
public sealed class ImageSourceOptions
{
    /// <summary>True to speak HTTP to the registry.</summary>
    public bool PlainHttp { get; init; }

    /// <summary>Opens an image that containerd has, by its name there.</summary>
    public required Func<string, IImageSource> Containerd { get; init; }
}

/// <summary>Opens sources by how people write them.</summary>
public static class ImageSource
{
    /// <summary>A registry reference, <c>oci:DIR[:TAG]</c> or <c>containerd:REF</c>.</summary>
    /// <exception cref="FormatException">It is none of them.</exception>
    public static IImageSource Parse(string text, ImageSourceOptions options)
    {
        if (text.StartsWith("oci:", StringComparison.Ordinal))
        {
            return LayoutSource.Parse(text[4..]);
        }

        if (text.StartsWith("containerd:", StringComparison.Ordinal))
        {
            return options.Containerd(text["containerd:".Length..]);
        }

        return Reference.TryParse(text, out Reference? reference)
            ? new RegistrySource(reference, options.PlainHttp || reference.IsLocal)
            : throw new FormatException($"'{text}' is no image: a registry reference, oci:DIR[:TAG] or containerd:REF is expected");
    }

    /// <summary>Reads a whole document and checks its digest.</summary>
    public static async Task<byte[]> ReadDocumentAsync(this IImageSource source, Descriptor descriptor, CancellationToken cancellationToken)
    {
        const int MaxDocument = 8 << 20;
        if (descriptor.Size > MaxDocument)
        {
            throw new ImageSourceException($"{descriptor.Digest} has {descriptor.Size} bytes: that is no manifest");
        }

        await using Stream stream = new VerifyingStream(await source.OpenAsync(descriptor, cancellationToken), descriptor);
        using var bytes = new MemoryStream();
        await stream.CopyToAsync(bytes, cancellationToken);
        return bytes.ToArray();
    }
}
