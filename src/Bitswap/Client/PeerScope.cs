namespace Ipcs.Bitswap.Client;

/// <summary>Whom a session asks beside those of whom it is told.</summary>
internal enum PeerScope
{
    /// <summary>Nobody.</summary>
    Named,

    /// <summary>Any connected peer; whoever has had a block of it is thought to have the others, until it says that it has not.</summary>
    Connected,

    /// <summary>What is wanted lies in parts: every connected peer is asked for each block whether it has it, and for those that it has.</summary>
    Broadcast,
}
