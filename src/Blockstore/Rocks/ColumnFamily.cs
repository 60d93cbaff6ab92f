namespace Ipcs.Blockstore.Rocks;

/// <summary>The column families. The first is the one that every RocksDB has.</summary>
internal enum ColumnFamily
{
    /// <summary>The schema version, and the metadata of the rooms above. Key prefixes keep the two apart.</summary>
    Default = 0,

    /// <summary>
    /// Blocks and all that must be as old or as new as they are, told apart by the first byte of the key (<see cref="BlockKey"/>). Values of 4 KiB and more
    /// lie in blob files. One family, since what is written past the log is only then sure to come to the disk together.
    /// </summary>
    Blocks = 1,

    /// <summary>Digest to content record.</summary>
    Contents = 2,

    /// <summary>Root to pin record.</summary>
    Pins = 3,

    /// <summary>The provide queue: by key, and by the time when due.</summary>
    Provides = 4,

    /// <summary>Peer to peer record.</summary>
    Peers = 5,
}
