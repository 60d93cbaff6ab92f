namespace Ipcs.Bitswap.Client;

/// <summary>Which peers a session asks beside the named ones.</summary>
internal enum PeerScope
{
    /// <summary>No others.</summary>
    Named,

    /// <summary>Any connected peer; one that has sent a block is assumed to have the others until it sends DONT_HAVE.</summary>
    Connected,

    /// <summary>Every connected peer is asked for each block whether it has it, since none has all of them.</summary>
    Broadcast,
}
