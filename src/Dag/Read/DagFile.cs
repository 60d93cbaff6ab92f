using Ipcs.Dag.DagPb;
using Ipcs.Multiformats;

namespace Ipcs.Dag.Read;

/// <summary>Recognizes the root blocks of files.</summary>
public static class DagFile
{
    /// <summary>
    /// True only if the block is canonical dag-pb with a canonical UnixFS File (or Raw) whose sizes are consistent: inline bytes and block
    /// sizes add up to the file size, there are as many block sizes as links, and links lead only to raw and dag-pb blocks. This decides
    /// whether a digest names a <c>dag</c> content, so it must be false for any other bytes that a digest may name. gzip, zstd and JSON
    /// differ: a canonical block starts with <c>12</c> or <c>0a len 08</c>, and 08 is a control character, which JSON text does not have. A
    /// tar differs: it ends in two blocks of zeros, which a canonical block never does.
    /// </summary>
    /// <param name="block">The whole block.</param>
    /// <param name="size">The length of the file, in bytes.</param>
    public static bool TryReadRoot(ReadOnlySpan<byte> block, out long size)
    {
        size = 0;
        if (FileBlock.TryParse(Multicodec.DagPb, block, out FileBlock file) is not null || !file.Canonical)
        {
            return false;
        }

        foreach (DagPbLink link in file.Links)
        {
            if (link.Cid.Codec is not (Multicodec.Raw or Multicodec.DagPb))
            {
                return false;
            }
        }

        size = file.Length;
        return true;
    }
}
