using Ipcs.Blockstore;
using Ipcs.Kademlia.Providers;
using Ipcs.Multiformats;

namespace Ipcs.Fleet.Routing;

/// <summary>The reprovider's durable queue, in the store.</summary>
internal sealed class StoredProvides(IProvideStore store) : IProvideTable
{
    /// <inheritdoc/>
    public IReadOnlyList<ProvideEntry> List() => [.. store.Enumerate().Select(r => new ProvideEntry(r.Key, r.ProvidedAt))];

    /// <inheritdoc/>
    public void Put(ProvideEntry entry) => store.Put(new ProvideRecord { Key = entry.Key, ProvidedAt = entry.ProvidedAt, DueAt = entry.ProvidedAt ?? DateTimeOffset.UnixEpoch });

    /// <inheritdoc/>
    public void Delete(Multihash key) => store.Delete(key);
}
