using Ipcs.Multiformats;

namespace Ipcs.Oci;

/// <summary>One content of a conversion.</summary>
/// <param name="MediaType">What it is in the converted image.</param>
/// <param name="Original">The digest of its bytes.</param>
/// <param name="Converted">The digest that names its DAG's root.</param>
/// <param name="Size">Its length in bytes, in the converted image.</param>
/// <param name="Root">The root.</param>
/// <param name="Blocks">Blocks of the DAG, each as often as it is linked.</param>
public sealed record ConvertedDescriptor(string MediaType, Digest Original, Digest Converted, long Size, Cid Root, long Blocks);
