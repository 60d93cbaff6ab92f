using Ipcs.Blockstore;
using Ipcs.Multiformats;

namespace Ipcs.Fleet.Routing;

/// <summary>
/// Tells which keys are to be announced now. A content is announced by its digest (the multihash of CIDv1(raw, D)) and by the root of its DAG,
/// once all of it is here; blocks below are found through those who have the root.
/// </summary>
internal sealed class ProvideSource(IStore store, ProvideStrategy strategy)
{
    /// <summary>The keys, as of the call: at most as many as the queue takes.</summary>
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
