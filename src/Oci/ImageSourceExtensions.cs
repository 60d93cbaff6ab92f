namespace Ipcs.Oci;

/// <summary>Reads documents of an image.</summary>
public static class ImageSourceExtensions
{
    /// <summary>Reads a manifest, an index or a config into memory.</summary>
    /// <exception cref="ImageSourceException">The document is too long, not there, or does not match its digest.</exception>
    public static async Task<byte[]> ReadDocumentAsync(this IImageSource source, Descriptor descriptor, CancellationToken cancellationToken)
    {
        if (descriptor.Size > ImageGraph.MaxDocument)
        {
            throw new ImageSourceException($"{descriptor.Digest} has {descriptor.Size} bytes, more than a manifest or config may have");
        }

        await using Stream stream = await source.OpenAsync(descriptor, cancellationToken);
        using var bytes = new MemoryStream((int)descriptor.Size);
        await stream.CopyToAsync(bytes, cancellationToken);
        return bytes.ToArray();
    }
}
