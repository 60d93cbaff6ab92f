namespace Ipcs.Bitswap;

/// <summary>The protocol names under which Bitswap is spoken. Spec: https://specs.ipfs.tech/bitswap-protocol/.</summary>
internal static class BitswapProtocols
{
    /// <summary>Bitswap 1.2.0 with compressed blocks: docs/protocols/packed.md.</summary>
    public const string Compressed = "/ipcs/bitswap/1.0.0";

    /// <summary>The version that added HAVE and DONT_HAVE.</summary>
    public const string Have = "/ipfs/bitswap/1.2.0";

    /// <summary>The version whose blocks have no CID prefix.</summary>
    public const string Bare = "/ipfs/bitswap/1.0.0";

    /// <summary>The supported protocols in order of preference.</summary>
    public static readonly string[] All = [Compressed, Have, "/ipfs/bitswap/1.1.0", Bare];
}
