namespace Ipcs.Blockstore;

/// <summary>
/// The store could not do what was asked: it can't be opened, the disk is full or broken, or what lies in it is damaged.
/// The message names the folder or the key, and the reason.
/// </summary>
public sealed class StoreException : IOException
{
    /// <summary>Makes one with a message.</summary>
    public StoreException(string message)
        : base(message)
    {
    }

    /// <summary>Makes one with a message and its cause.</summary>
    public StoreException(string message, Exception innerException)
        : base(message, innerException)
    {
    }

    /// <summary>True when the disk (or its quota) is full: the same call may succeed once there is room.</summary>
    public bool IsNoSpace { get; init; }

    /// <summary>True when what lies in the store is damaged: asking again gives the same answer.</summary>
    public bool IsCorruption { get; init; }
}
