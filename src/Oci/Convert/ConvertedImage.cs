using Ipcs.Multiformats;

namespace Ipcs.Oci;

/// <summary>A converted image.</summary>
/// <param name="Original">The digest of the original manifest or index.</param>
/// <param name="Target">The converted one's descriptor.</param>
/// <param name="Root">The root of its DAG.</param>
/// <param name="Descriptors">All that was converted, each once, children before parents.</param>
public sealed record ConvertedImage(Digest Original, Descriptor Target, Cid Root, IReadOnlyList<ConvertedDescriptor> Descriptors);
