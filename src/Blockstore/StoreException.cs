namespace Ipcs.Blockstore;

/// <summary>
/// A store operation failed: the store cannot be opened, the disk is full or broken, or stored data is damaged. The message names the
/// folder or the key, and the reason.
/// </summary>
public sealed class StoreException : IOException
{
    /// <summary>Creates an exception with a message.</summary>
    public StoreException(string message)
        : base(message)
    {
    }

    /// <summary>Creates an exception with a message and its cause.</summary>
    public StoreException(string message, Exception innerException)
        : base(message, innerException)
    {
    }

    /// <summary>True when the disk (or its quota) is full: the same call may succeed once there is space.</summary>
    public bool IsNoSpace { get; init; }

    /// <summary>True when stored data is damaged: the same call fails again.</summary>
    public bool IsCorruption { get; init; }
}
