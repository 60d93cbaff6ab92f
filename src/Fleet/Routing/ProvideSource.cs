using Ipcs.Blockstore;
using Ipcs.Multiformats;

namespace Ipcs.Fleet.Routing;

/// <summary>
/// Lists the keys to announce in the DHT. A complete content is announced by its digest (the multihash of CIDv1(raw, D)) and by the root of
/// its DAG; the blocks below the root are found through the providers of the root.
/// </summary>
internal sealed class ProvideSource(IStore store, ProvideStrategy strategy)
{
    /// <summary>Reads the keys from the store; of blocks at most <see cref="IProvideStore.MaxKeys"/>.</summary>
    public HashSet<Multihash> Keys()
    {
        var keys = new HashSet<Multihash>();
        if (strategy == ProvideStrategy.None)
        {
            return keys;
        }

        foreach (PinRecord pin in store.Pins.Enumerate())
        {
            keys.Add(pin.Root.Hash);
        }

        foreach (ContentRecord content in store.Contents.Enumerate())
        {
            if (content.Complete && ((content.Owned && strategy != ProvideStrategy.Pinned) || keys.Contains(content.Root.Hash)))
            {
                keys.Add(content.Root.Hash);
                keys.Add(content.Digest.Hash);
            }
        }

        if (strategy == ProvideStrategy.All)
        {
            foreach ((Multihash hash, _) in store.Blocks.Enumerate().Take(IProvideStore.MaxKeys))
            {
                keys.Add(hash);
            }
        }

        return keys;
    }
}
