namespace Ipcs.Multiformats;

/// <summary>The multicodec codes in use. Table: https://github.com/multiformats/multicodec/blob/master/table.csv.</summary>
public static class Multicodec
{
    /// <summary>Raw bytes.</summary>
    public const uint Raw = 0x55;

    /// <summary>Merkle DAG nodes in protobuf.</summary>
    public const uint DagPb = 0x70;

    /// <summary>The public key of a libp2p peer, as in the CID form of a peer id.</summary>
    public const uint Libp2pKey = 0x72;
}
