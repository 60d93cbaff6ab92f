namespace Ipcs.Blockstore;

/// <summary>Interrupted writes by reference. Thread-safe.</summary>
public interface IIngestStore
{
    /// <summary>The record; null when there is none.</summary>
    IngestRecord? Get(string reference);

    /// <summary>
    /// Puts or replaces a record. One that names blocks put in bulk is put in bulk too, or synced: a crash then loses both or none.
    /// </summary>
    void Put(IngestRecord record, Durability keeping = Durability.Logged);

    /// <summary>Removes a record. False when there was none.</summary>
    bool Delete(string reference);

    /// <summary>All records, as of the call.</summary>
    IEnumerable<IngestRecord> Enumerate();
}
