using Ipcs.Multiformats;

namespace Ipcs.Blockstore;

/// <summary>What is to be announced to the DHT, and when next: the durable queue of the reprovider. Thread-safe.</summary>
public interface IProvideStore
{
    /// <summary>The most keys kept: roots and digests of what is owned are thousands; more is a mistake that would fill the disk.</summary>
    public const int MaxKeys = 1 << 20;

    /// <summary>How many keys there are.</summary>
    int Count { get; }

    /// <summary>The record; null when there is none.</summary>
    ProvideRecord? Get(in Multihash key);

    /// <summary>
    /// Puts or replaces a record (not synced: a crash may lose the newest, never tear one). False when it is a new key and the queue is full.
    /// </summary>
    bool Put(ProvideRecord record);

    /// <summary>Removes a record. False when there was none.</summary>
    bool Delete(in Multihash key);

    /// <summary>The first records that are due at <paramref name="now"/>, the longest due first.</summary>
    IReadOnlyList<ProvideRecord> Due(DateTimeOffset now, int max);

    /// <summary>All records, as of the call.</summary>
    IEnumerable<ProvideRecord> Enumerate();
}
