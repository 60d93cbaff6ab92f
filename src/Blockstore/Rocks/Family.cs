namespace Ipcs.Blockstore.Rocks;

/// <summary>The column families. The first is the one that every RocksDB has.</summary>
internal enum Family
{
    /// <summary>The schema version, the counters, and the metadata of the rooms above. Key prefixes keep the two apart.</summary>
    Default = 0,

    /// <summary>Multihash to block. Values of 4 KiB and more lie in blob files.</summary>
    Blocks = 1,

    /// <summary>
    /// Multihash to the block's length, unpacked, as a varint: questions for presence and length, and walks over all blocks, never touch the blob files.
    /// Written in one batch with <see cref="Blocks"/> or <see cref="Packed"/>.
    /// </summary>
    Lengths = 2,

    /// <summary>Digest to content record.</summary>
    Contents = 3,

    /// <summary>Reference to ingest record.</summary>
    Ingests = 4,

    /// <summary>Root to pin record.</summary>
    Pins = 5,

    /// <summary>The provide queue: by key, and by the time when due.</summary>
    Provides = 6,

    /// <summary>Peer to peer record.</summary>
    Peers = 7,

    /// <summary>Multihash to the zstd frame of a block (<see cref="PackedBlock"/>): a block lies here or in <see cref="Blocks"/>. Since schema version 3.</summary>
    Packed = 8,
}
