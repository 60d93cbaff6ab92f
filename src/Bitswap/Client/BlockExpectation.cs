namespace Ipcs.Bitswap.Client;

/// <summary>What a received block is to us.</summary>
internal enum BlockExpectation
{
    /// <summary>Never asked of this peer.</summary>
    Unknown,

    /// <summary>Somebody waits for it.</summary>
    Wanted,

    /// <summary>Asked of this peer, and had from another meanwhile.</summary>
    Late,
}
