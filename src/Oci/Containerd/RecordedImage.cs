using Ipcs.Multiformats;

namespace Ipcs.Oci.Containerd;

/// <summary>An image that containerd records in a namespace.</summary>
/// <param name="Space">The namespace.</param>
/// <param name="Name">The name.</param>
/// <param name="Target">The digest of its manifest or index.</param>
public sealed record RecordedImage(string Space, string Name, Digest Target);
