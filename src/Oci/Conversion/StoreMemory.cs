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
/// BLOCKS</c>. An entry is a hint: garbage collection may have removed blocks, so each lookup verifies that all are there.
/// </summary>
public sealed class StoreMemory(IStore store) : IConversionMemory
{
    /// <inheritdoc/>
    public DagRoot? Recall(Digest blob, ImportProfile profile)
    {
        if (store.Metadata.Get(Key(blob, profile)) is not { } value || !TryParse(Encoding.ASCII.GetString(value), out DagRoot root))
        {
            return null;
        }

        try
        {
            return DagVerify.IsComplete(store.Blocks, root.Root) ? root : null;
        }
        catch (Exception e) when (e is DagFormatException or StoreException)
        {
            // The conversion replaces the damaged blocks.
            return null;
        }
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
