namespace Ipcs.Blockstore;

/// <summary>Interrupted writes of containerd by reference. Thread-safe.</summary>
public interface IIngestStore
{
    /// <summary>The record; null when there is none.</summary>
    IngestRecord? Get(string reference);

    /// <summary>
    /// Puts or replaces a record. A record that names deferred blocks must be deferred too, or synced, so that a crash loses both or
    /// neither.
    /// </summary>
    void Put(IngestRecord record, Durability durability = Durability.Logged);

    /// <summary>Deletes a record. False when there is none.</summary>
    bool Delete(string reference);

    /// <summary>All records, as of the call.</summary>
    IEnumerable<IngestRecord> Enumerate();
}
