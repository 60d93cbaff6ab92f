namespace Ipcs.Blockstore;

/// <summary>What a write survives.</summary>
public enum Durability
{
    /// <summary>The end of the process: it is in the log, which is not synced.</summary>
    Logged,

    /// <summary>
    /// Nothing yet: it goes to its place directly, once, and is there for good once something <see cref="Synced"/> comes after it. For much that would be made,
    /// fetched or written again. A crash loses all of it from some point on, never one and not what came after it.
    /// </summary>
    Deferred,

    /// <summary>A power loss, by itself: what was written in bulk before may still be lost. For what names no block that must be here.</summary>
    SyncedAlone,

    /// <summary>A power loss, and so does all that was written before.</summary>
    Synced,
}
