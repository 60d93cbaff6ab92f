namespace Ipcs.Bitswap.Client;

/// <summary>What a peer has of a session's content.</summary>
public enum PeerAvailability
{
    /// <summary>The peer is fetching the content too: it is asked for a block once it has sent HAVE for it.</summary>
    Partial,

    /// <summary>The peer has sent a block of the content, and is assumed to have the others.</summary>
    Assumed,

    /// <summary>The peer has said that it has all blocks.</summary>
    Complete,
}
