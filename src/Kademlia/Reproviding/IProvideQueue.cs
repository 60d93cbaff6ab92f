using Ipcs.Multiformats;

namespace Ipcs.Kademlia.Reproviding;

/// <summary>The durable queue of the keys that this node announces, with the time of each key's last announcement. Thread-safe.</summary>
public interface IProvideQueue
{
    /// <summary>All keys, as of the call. <c>ProvidedAt</c> is null for a key that was never announced.</summary>
    IReadOnlyList<(Multihash Key, DateTimeOffset? ProvidedAt)> List();

    /// <summary>
    /// Adds a key or replaces the time of its last announcement. A crash may lose the newest: those keys are announced again.
    /// </summary>
    void Put(Multihash key, DateTimeOffset? providedAt);

    /// <summary>Removes a key; does nothing when it is not there.</summary>
    void Delete(Multihash key);
}
