namespace Ipcs.Bitswap;

/// <summary>Counters of a Bitswap service since its start.</summary>
/// <param name="BlocksReceived">Wanted blocks received and verified.</param>
/// <param name="BytesReceived">Bytes of these blocks on the wire.</param>
/// <param name="CompressedReceived">Blocks of these that were compressed on the wire.</param>
/// <param name="DuplicateBlocks">Blocks received that were no longer wanted.</param>
/// <param name="DuplicateBytes">Bytes of these blocks on the wire.</param>
/// <param name="BlocksSent">Blocks sent.</param>
/// <param name="BytesSent">Bytes of the blocks sent, on the wire.</param>
/// <param name="UnreadableBlocks">How often a block that a peer wanted was stored and could not be read.</param>
/// <param name="MessagesReceived">Messages received.</param>
/// <param name="Wants">Blocks wanted now.</param>
/// <param name="Peers">Connected peers that speak Bitswap.</param>
public sealed record BitswapStatistics(
    long BlocksReceived,
    long BytesReceived,
    long CompressedReceived,
    long DuplicateBlocks,
    long DuplicateBytes,
    long BlocksSent,
    long BytesSent,
    long UnreadableBlocks,
    long MessagesReceived,
    int Wants,
    int Peers);
