namespace Ipcs.Blockstore;

/// <summary>Which failures a write survives.</summary>
public enum Durability
{
    /// <summary>The end of the process: the write is in the write-ahead log (WAL), which is not synced.</summary>
    Logged,

    /// <summary>
    /// None until the next <see cref="Synced"/> write, which makes it durable; skips the WAL, so that the bytes are written once. For data
    /// that can be fetched or made again. A crash loses every deferred write after some point in time: never a write without the later
    /// ones.
    /// </summary>
    Deferred,

    /// <summary>A power loss; earlier deferred writes may still be lost. For records that do not imply that a block exists.</summary>
    SyncedAlone,

    /// <summary>A power loss, for this write and for all writes before it.</summary>
    Synced,
}
