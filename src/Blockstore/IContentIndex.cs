using Ipcs.Multiformats;

namespace Ipcs.Blockstore;

/// <summary>Content records by digest. Thread-safe.</summary>
public interface IContentIndex
{
    /// <summary>The record; null when there is none.</summary>
    ContentRecord? Get(in Digest digest);

    /// <summary>Puts or replaces a record. With <paramref name="sync"/> it is durable on return.</summary>
    void Put(ContentRecord record, bool sync = false);

    /// <summary>Deletes a record. False when there is none.</summary>
    bool Delete(in Digest digest);

    /// <summary>All records, as of the call, in the order of their digests.</summary>
    IEnumerable<ContentRecord> Enumerate();
}
