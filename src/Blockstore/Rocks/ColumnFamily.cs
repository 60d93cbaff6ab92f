namespace Ipcs.Blockstore.Rocks;

/// <summary>The column families. Every RocksDB database has the first.</summary>
internal enum ColumnFamily
{
    /// <summary>The schema version and the metadata of other projects, distinguished by key prefixes.</summary>
    Default = 0,

    /// <summary>
    /// Blocks, and all records that must become durable together with them, distinguished by the first byte of the key
    /// (<see cref="BlockKey"/>). Values of 4 KiB and more are in blob files. They share a family because writes that skip the WAL become
    /// durable together only within one family.
    /// </summary>
    Blocks = 1,

    /// <summary>Digest to content record.</summary>
    Contents = 2,

    /// <summary>Root to pin record.</summary>
    Pins = 3,

    /// <summary>The provide queue, by key and by due time.</summary>
    Provides = 4,

    /// <summary>Peer ID to peer record.</summary>
    Peers = 5,
}
