using System.Collections.Concurrent;
using Ipcs.Multiformats;

namespace Ipcs.Kademlia.Providers;

/// <summary>The queue in memory, for tests and for nodes that keep nothing. Bounded by the reprovider, its only user.</summary>
public sealed class MemoryProvideTable : IProvideTable
{
    private readonly ConcurrentDictionary<Multihash, ProvideEntry> _entries = new();

    /// <inheritdoc/>
    public IReadOnlyList<ProvideEntry> List() => [.. _entries.Values];

    /// <inheritdoc/>
    public void Put(ProvideEntry entry) => _entries[entry.Key] = entry;

    /// <inheritdoc/>
    public void Delete(Multihash key) => _entries.TryRemove(key, out _);
}
