using Ipcs.Oci.Registry;

namespace Ipcs.Oci.Transports;

/// <summary>Options of <see cref="ImageTransport"/>.</summary>
public sealed class ImageTransportOptions
{
    /// <summary>Options for registries.</summary>
    public required RegistryOptions Registry { get; init; }

    /// <summary>Opens an image of containerd by its name there.</summary>
    public required Func<string, IImageSource> Containerd { get; init; }
}
