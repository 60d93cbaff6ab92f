using Ipcs.Multiformats;

namespace Ipcs.Blockstore;

/// <summary>All tables of one node. Disposing closes them.</summary>
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

    /// <summary>The keys to announce to the DHT.</summary>
    IProvideStore Provides { get; }

    /// <summary>The peers that were connected.</summary>
    IPeerStore Peers { get; }

    /// <summary>Small durable values of other projects.</summary>
    IMetadataTable Metadata { get; }

    /// <summary>
    /// Raised when a block was found damaged and deleted, on the thread that read it, before the reader gets the failure. Handlers must not
    /// block.
    /// </summary>
    event Action<Multihash>? BlockLost;

    /// <summary>
    /// Makes a content durable: puts its record and removes its ingest, if any, in one synced batch. On return every block that was put
    /// before is durable too.
    /// </summary>
    void Commit(ContentRecord content, string? ingestRef);

    /// <summary>
    /// Protects every block that anyone stores, reads or looks up from garbage collection until the lease is disposed. To be taken before a
    /// DAG is made that a pin or a content will name. It costs memory for each block touched, so it must last as long as one operation, not
    /// as long as the daemon.
    /// </summary>
    GcLease LeaseTouched();

    /// <summary>
    /// Protects the DAG under a root from garbage collection until the lease is disposed, including blocks that are stored later. Costs
    /// almost no memory and may last. A caller that has the root from a record must look the record up again afterwards: a GC cycle that
    /// began in between may not know of this lease.
    /// </summary>
    GcLease LeaseDag(in Cid root);

    /// <summary>Begins a garbage collection. Only one runs at a time.</summary>
    /// <exception cref="InvalidOperationException">Another is running.</exception>
    IGcCycle BeginCollection();

    /// <summary>Gives the space of deleted blocks back to the disk. May take minutes; other calls proceed meanwhile.</summary>
    void Compact();

    /// <summary>The figures of <c>repo stat</c>.</summary>
    StoreStatistics GetStatistics();
}
