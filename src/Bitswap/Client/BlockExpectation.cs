namespace Ipcs.Bitswap.Client;

/// <summary>Whether a received block was requested.</summary>
internal enum BlockExpectation
{
    /// <summary>Never requested from this peer.</summary>
    Unknown,

    /// <summary>Requested and wanted.</summary>
    Wanted,

    /// <summary>Requested from this peer, and no longer wanted.</summary>
    Late,
}
