using Ipcs.Multiformats;

namespace Ipcs.Oci.Conversion;

/// <summary>A converted image.</summary>
/// <param name="Original">The digest of the original manifest or index.</param>
/// <param name="Target">The descriptor of the converted manifest or index.</param>
/// <param name="Root">The CID of its root.</param>
/// <param name="Descriptors">All converted contents, each once, children before parents.</param>
public sealed record ConvertedImage(Digest Original, Descriptor Target, Cid Root, IReadOnlyList<ConvertedDescriptor> Descriptors);
