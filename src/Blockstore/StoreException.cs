namespace Ipcs.Blockstore;

/// <summary>The store can't do what was asked; the message names the store and the reason.</summary>
public sealed class StoreException(string message, bool isNoSpace = false) : IOException(message)
{
    /// <summary>True when the disk is full: the same may go through once there is space.</summary>
    public bool IsNoSpace { get; } = isNoSpace;
}
