using Ipcs.Dag.DagPb;
using Ipcs.Multiformats;

namespace Ipcs.Dag.Read;

/// <summary>Tells whether a block is the root of a file.</summary>
public static class DagFile
{
    /// <summary>
    /// True only if the block is canonical dag-pb with a UnixFS File (or Raw), itself in its one encoding, whose sizes add up: inline bytes
    /// and block sizes to the file size, as many block sizes as links, links to raw and dag-pb blocks only. This decides whether a digest
    /// names a <c>dag</c> content, so nothing else that a digest may name may pass. gzip, zstd and JSON can't: a canonical block starts
    /// <c>12</c> or <c>0a len 08</c>, and 08 is a control character that no JSON text has. A tar can't, since it ends in two blocks of
    /// zeros, and a canonical block never does.
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
