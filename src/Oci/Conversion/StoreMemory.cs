using System.Globalization;
using System.Text;
using Ipcs.Blockstore;
using Ipcs.Dag;
using Ipcs.Dag.Import;
using Ipcs.Dag.Read;
using Ipcs.Multiformats;

namespace Ipcs.Oci.Conversion;

/// <summary>
/// The DAGs of converted blobs, in the metadata table of the store: the key is <c>oci/PROFILE/DIGEST</c>, the value <c>CID SIZE DAGSIZE
/// BLOCKS</c>. An entry is a hint: garbage collection may have removed blocks, so each lookup verifies that all are there. A content that
/// was not converted yet but is complete in the store gets its DAG from the leaves of the stored one (<see cref="DagRebuild"/>).
/// </summary>
public sealed class StoreMemory(IStore store) : IConversionMemory
{
    /// <inheritdoc/>
    public DagRoot? Recall(Digest blob, ImportProfile profile)
    {
        try
        {
            if (store.Metadata.Get(Key(blob, profile)) is { } value
                && TryParse(Encoding.ASCII.GetString(value), out DagRoot known)
                && DagVerify.IsComplete(store.Blocks, known.Root))
            {
                return known;
            }

            if (store.Contents.Get(blob) is { Complete: true } stored
                && DagRebuild.TryBuild(store.Blocks, stored.Root, profile) is { } built
                && built.Size == stored.Size)
            {
                Remember(blob, profile, built);
                return built;
            }
        }
        catch (Exception e) when (e is DagFormatException or StoreException)
        {
            // The conversion replaces the damaged blocks.
        }

        return null;
    }

    /// <inheritdoc/>
    public void Remember(Digest blob, ImportProfile profile, in DagRoot root) =>
        store.Metadata.Put(Key(blob, profile), Encoding.ASCII.GetBytes(
            string.Create(CultureInfo.InvariantCulture, $"{root.Root} {root.Size} {root.DagSize} {root.Blocks}")));

    private static byte[] Key(Digest blob, ImportProfile profile) => Encoding.ASCII.GetBytes($"oci/{profile.Name}/{blob}");

    private static bool TryParse(string text, out DagRoot root)
    {
        root = default;
        string[] parts = text.Split(' ');
        if (parts.Length != 4 || !Cid.TryParse(parts[0], out Cid cid)
            || !long.TryParse(parts[1], NumberStyles.None, CultureInfo.InvariantCulture, out long size)
            || !long.TryParse(parts[2], NumberStyles.None, CultureInfo.InvariantCulture, out long dagSize)
            || !long.TryParse(parts[3], NumberStyles.None, CultureInfo.InvariantCulture, out long blocks))
        {
            return false;
        }

        root = new DagRoot(cid, size, dagSize, blocks);
        return true;
    }
}
