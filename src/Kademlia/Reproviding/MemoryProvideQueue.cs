using Ipcs.Multiformats;

namespace Ipcs.Kademlia.Reproviding;

/// <summary>A queue in memory, for tests and for nodes without a store. Bounded by the reprovider, its only user.</summary>
public sealed class MemoryProvideQueue : IProvideQueue
{
    private readonly Lock _lock = new();
    private readonly OrderedDictionary<Multihash, DateTimeOffset?> _keys = [];

    /// <inheritdoc/>
    public IReadOnlyList<(Multihash Key, DateTimeOffset? ProvidedAt)> List()
    {
        lock (_lock)
        {
            return [.. _keys.Select(k => (k.Key, k.Value))];
        }
    }

    /// <inheritdoc/>
    public void Put(Multihash key, DateTimeOffset? providedAt)
    {
        lock (_lock)
        {
            _keys[key] = providedAt;
        }
    }

    /// <inheritdoc/>
    public void Delete(Multihash key)
    {
        lock (_lock)
        {
            _keys.Remove(key);
        }
    }
}
