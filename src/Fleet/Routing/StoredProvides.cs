using Ipcs.Blockstore;
using Ipcs.Kademlia.Reproviding;
using Ipcs.Multiformats;

namespace Ipcs.Fleet.Routing;

/// <summary>Keeps the reprovider's queue in the store.</summary>
internal sealed class StoredProvides(IProvideStore store) : IProvideQueue
{
    /// <inheritdoc/>
    public IReadOnlyList<(Multihash Key, DateTimeOffset? ProvidedAt)> List() => [.. store.Enumerate().Select(r => (r.Key, r.ProvidedAt))];

    /// <inheritdoc/>
    public void Put(Multihash key, DateTimeOffset? providedAt) =>
        store.Put(new ProvideRecord { Key = key, ProvidedAt = providedAt, DueAt = providedAt ?? DateTimeOffset.UnixEpoch });

    /// <inheritdoc/>
    public void Delete(Multihash key) => store.Delete(key);
}
