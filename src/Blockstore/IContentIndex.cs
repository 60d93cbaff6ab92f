using Ipcs.Multiformats;

namespace Ipcs.Blockstore;

/// <summary>Contents by digest. Thread-safe.</summary>
public interface IContentIndex
{
    /// <summary>The record; null when there is none.</summary>
    ContentRecord? Get(in Digest digest);

    /// <summary>Puts or replaces a record. With <paramref name="sync"/> it is durable on return.</summary>
    void Put(ContentRecord record, bool sync = false);

    /// <summary>Removes a record. False when there was none.</summary>
    bool Delete(in Digest digest);

    /// <summary>All records, as of the call, in the order of their digests.</summary>
    IEnumerable<ContentRecord> Enumerate();
}
