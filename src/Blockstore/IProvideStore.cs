using Ipcs.Multiformats;

namespace Ipcs.Blockstore;

/// <summary>The keys to announce to the DHT and when each is due: the durable queue of the reprovider. Thread-safe.</summary>
public interface IProvideStore
{
    /// <summary>The most keys: a node announces thousands of roots and digests. More is an error that would fill the disk.</summary>
    public const int MaxKeys = 1 << 20;

    /// <summary>The number of keys.</summary>
    int Count { get; }

    /// <summary>The record; null when there is none.</summary>
    ProvideRecord? Get(in Multihash key);

    /// <summary>
    /// Puts or replaces a record (not synced: a power loss may lose the newest). False when the key is new and the queue is full.
    /// </summary>
    bool Put(ProvideRecord record);

    /// <summary>Deletes a record. False when there is none.</summary>
    bool Delete(in Multihash key);

    /// <summary>At most <paramref name="max"/> records that are due at <paramref name="now"/>, those due earliest first.</summary>
    IReadOnlyList<ProvideRecord> Due(DateTimeOffset now, int max);

    /// <summary>All records, as of the call.</summary>
    IEnumerable<ProvideRecord> Enumerate();
}
