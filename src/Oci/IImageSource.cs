namespace Ipcs.Oci;

/// <summary>A place from which one image is read.</summary>
public interface IImageSource : IAsyncDisposable
{
    /// <summary>The descriptor of the image's manifest or index.</summary>
    /// <exception cref="ImageSourceException">The image is not there or invalid.</exception>
    Task<Descriptor> ResolveAsync(CancellationToken cancellationToken);

    /// <summary>Opens a content. Reading it to its end succeeds only when length and digest match; else a read throws.</summary>
    /// <exception cref="ImageSourceException">The content is not there; also thrown while reading.</exception>
    Task<Stream> OpenAsync(Descriptor descriptor, CancellationToken cancellationToken);
}
