using Ipcs.Dag.DagPb;
using Ipcs.Multiformats;

namespace Ipcs.Dag.Read;

/// <summary>Tells whether a block is the root of a file.</summary>
public static class DagFile
{
    /// <summary>
    /// True only if the block is canonical dag-pb with a UnixFS File (or Raw), itself in its one encoding, whose sizes add up: inline bytes
    /// and block sizes to the file size, as many block sizes as links, links to raw and dag-pb blocks only. This decides whether a digest
    /// names a <c>dag</c> content, so nothing else that a digest may name (gzip, zstd, JSON, tar) may pass: they all fail within their first bytes
    /// (a canonical block starts 12 or 0a len 08 00/02, where 08 is a control character that no JSON and no tar name has).
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
