using Ipcs.Oci.Registry;
using Ipcs.Oci.Sources;

namespace Ipcs.Oci.Transports;

/// <summary>Opens image sources by their text form: a registry reference, or a transport and a name.</summary>
public static class ImageTransport
{
    /// <summary>The transports whose name is a path on this host.</summary>
    public static readonly string[] PathForms = ["oci:", "oci-archive:", "docker-archive:"];

    /// <summary>
    /// Opens a registry reference, <c>oci:DIR[:TAG]</c>, <c>oci-archive:FILE[:TAG]</c>, <c>docker-archive:FILE[:NAME]</c> or
    /// <c>containerd:REF</c>.
    /// </summary>
    /// <exception cref="FormatException">The text has none of these forms.</exception>
    /// <exception cref="ImageSourceException">The archive cannot be read.</exception>
    public static async Task<IImageSource> OpenAsync(string text, ImageTransportOptions options, CancellationToken cancellationToken)
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
                        $"'{text}' is not a valid image: expected is a registry reference, oci:DIR[:TAG], "
                        + "oci-archive:FILE, docker-archive:FILE or containerd:REF");
        }
    }
}
