using Ipcs.Multiformats;

namespace Ipcs.Blockstore;

/// <summary>All the tables of one node. Owns them; disposing closes them.</summary>
public interface IStore : IDisposable
{
    /// <summary>Blocks by multihash.</summary>
    IBlockstore Blocks { get; }

    /// <summary>Contents by digest.</summary>
    IContentIndex Contents { get; }

    /// <summary>Pins by root.</summary>
    IPinStore Pins { get; }

    /// <summary>Interrupted writes by reference.</summary>
    IIngestStore Ingests { get; }

    /// <summary>What is to be announced to the DHT.</summary>
    IProvideStore Provides { get; }

    /// <summary>Peers that were met.</summary>
    IPeerStore Peers { get; }

    /// <summary>Small durable facts of the rooms above.</summary>
    IMetadataTable Metadata { get; }

    /// <summary>
    /// Makes a content durable: its record is put and its ingest (if any) removed in one synced batch,
    /// after which every block put before is durable too.
    /// </summary>
    void Commit(ContentRecord content, string? ingestRef);

    /// <summary>
    /// From now until its disposal no garbage collection takes a block that anybody stores, reads or asks for. Who makes a DAG and then names it by
    /// a pin or a content opens a hold first. It costs memory for every block touched while it lasts, so it lasts as long as one piece of
    /// work, not as long as the daemon.
    /// </summary>
    GcLease LeaseTouched();

    /// <summary>
    /// From now until its disposal no garbage collection takes what is here, or comes, below a root. For who fetches or reads a DAG whose root he
    /// knows; it costs nothing and may last. Who has the root from a record looks afterwards whether the record is still there: a collection
    /// that began in between has not seen this.
    /// </summary>
    GcLease LeaseDag(in Cid root);

    /// <summary>Begins a garbage collection. One at a time.</summary>
    /// <exception cref="InvalidOperationException">Another is under way.</exception>
    Collection BeginCollection();

    /// <summary>Gives the room of deleted blocks back to the disk. May take minutes; everything else goes on meanwhile.</summary>
    void Compact();

    /// <summary>Figures for <c>repo stat</c>.</summary>
    StoreStatistics GetStatistics();
}

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

/// <summary>Pins by root. Thread-safe.</summary>
public interface IPinStore
{
    /// <summary>Puts or replaces a pin, durably.</summary>
    void Put(PinRecord pin);

    /// <summary>The pin of exactly this root; null when there is none.</summary>
    PinRecord? Get(in Cid root);

    /// <summary>Removes a pin. False when there was none.</summary>
    bool Delete(in Cid root);

    /// <summary>All pins, as of the call.</summary>
    IEnumerable<PinRecord> Enumerate();
}

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
