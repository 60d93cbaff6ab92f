using Ipcs.Oci.Registry;
using Ipcs.Oci.Sources;

namespace Ipcs.Oci;

/// <summary>Where an image comes from.</summary>
public interface IImageSource : IAsyncDisposable
{
    /// <summary>What the name stands for.</summary>
    Task<Descriptor> ResolveAsync(CancellationToken cancellationToken);

    /// <summary>Opens a content. Its end comes only when length and digest hold; else reading it throws.</summary>
    /// <exception cref="ImageSourceException">It is not there; also thrown while reading.</exception>
    Task<Stream> OpenAsync(Descriptor descriptor, CancellationToken cancellationToken);
}

/// <summary>How sources are opened.</summary>
public sealed class ImageSourceOptions
{
    /// <summary>How registries are spoken to.</summary>
    public required RegistryOptions Registry { get; init; }

    /// <summary>Opens an image that containerd has, by its name there.</summary>
    public required Func<string, IImageSource> Containerd { get; init; }
}

/// <summary>Opens sources by how people write them.</summary>
public static class ImageSource
{
    /// <summary>The forms of a source that are a path on this host.</summary>
    public static readonly string[] PathForms = ["oci:", "oci-archive:", "docker-archive:"];

    /// <summary>A registry reference, <c>oci:DIR[:TAG]</c>, <c>oci-archive:FILE[:TAG]</c>, <c>docker-archive:FILE[:NAME]</c> or <c>containerd:REF</c>.</summary>
    /// <exception cref="FormatException">It is none of them.</exception>
    /// <exception cref="ImageSourceException">The archive can't be read.</exception>
    public static async Task<IImageSource> OpenAsync(string text, ImageSourceOptions options, CancellationToken cancellationToken)
    {
        int colon = text.IndexOf(':', StringComparison.Ordinal);
        string rest = colon < 0 ? "" : text[(colon + 1)..];
        switch (colon < 0 ? "" : text[..colon])
        {
            case "oci":
                return LayoutSource.InFolder(rest);
            case "oci-archive":
                return await ArchiveSource.OpenLayoutAsync(rest, cancellationToken);
            case "docker-archive":
                return await ArchiveSource.OpenDockerAsync(rest, cancellationToken);
            case "containerd":
                return options.Containerd(rest);
            default:
                return Reference.TryParse(text, out Reference? reference)
                    ? new RegistrySource(reference, options.Registry)
                    : throw new FormatException(
                        $"'{text}' is no image: a registry reference, oci:DIR[:TAG], oci-archive:FILE, docker-archive:FILE or containerd:REF is expected");
        }
    }

    /// <summary>Reads a whole document.</summary>
    /// <exception cref="ImageSourceException">It is too long to be one, not there, or not what its digest says.</exception>
    public static async Task<byte[]> ReadDocumentAsync(this IImageSource source, Descriptor descriptor, CancellationToken cancellationToken)
    {
        if (descriptor.Size > ImageGraph.MaxDocument)
        {
            throw new ImageSourceException($"{descriptor.Digest} has {descriptor.Size} bytes: that is no manifest");
        }

        await using Stream stream = await source.OpenAsync(descriptor, cancellationToken);
        using var bytes = new MemoryStream((int)descriptor.Size);
        await stream.CopyToAsync(bytes, cancellationToken);
        return bytes.ToArray();
    }
}
