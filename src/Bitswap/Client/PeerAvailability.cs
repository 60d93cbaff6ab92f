namespace Ipcs.Bitswap.Client;

/// <summary>What a session thinks of a peer.</summary>
public enum PeerAvailability
{
    /// <summary>It has parts: it is asked for a block once it has said that it has it, and is one of those who fetch like us.</summary>
    Partial,

    /// <summary>It has had a block of the session's and is thought to have the others.</summary>
    Assumed,

    /// <summary>It has said that it has the whole.</summary>
    Complete,
}
