using Ipcs.Multiformats;

namespace Ipcs.Oci.Conversion;

/// <summary>A content that was converted.</summary>
/// <param name="MediaType">The media type in the converted image.</param>
/// <param name="Original">The digest in the original image: that of the bytes.</param>
/// <param name="Converted">
/// The digest in the converted image: that of the root block of the DAG. It is the original one when the content is one raw block.
/// </param>
/// <param name="Size">The length in bytes in the converted image.</param>
/// <param name="Root">The CID of the root.</param>
/// <param name="Blocks">The number of links to blocks in the DAG, the root included.</param>
public sealed record ConvertedDescriptor(string MediaType, Digest Original, Digest Converted, long Size, Cid Root, long Blocks);
