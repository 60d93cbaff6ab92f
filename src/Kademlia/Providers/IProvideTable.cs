using Ipcs.Multiformats;

namespace Ipcs.Kademlia.Providers;

/// <summary>The durable queue of what this node announces: keys, and when each was announced last. Thread-safe.</summary>
public interface IProvideTable
{
    /// <summary>All entries, as of the call.</summary>
    IReadOnlyList<ProvideEntry> List();

    /// <summary>Puts or replaces an entry. A crash may lose the newest: they are announced again.</summary>
    void Put(ProvideEntry entry);

    /// <summary>Removes an entry; nothing when there is none.</summary>
    void Delete(Multihash key);
}

/// <summary>A key that is announced.</summary>
/// <param name="Key">The multihash.</param>
/// <param name="ProvidedAt">When it was announced last; null for never.</param>
public sealed record ProvideEntry(Multihash Key, DateTimeOffset? ProvidedAt);
