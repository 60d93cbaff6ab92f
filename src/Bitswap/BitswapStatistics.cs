namespace Ipcs.Bitswap;

/// <summary>What Bitswap has done since it began.</summary>
/// <param name="BlocksReceived">Blocks that were wanted and hold their hash.</param>
/// <param name="BytesReceived">Their bytes, as they came over the wire.</param>
/// <param name="CompressedReceived">How many of them came packed.</param>
/// <param name="DuplicateBlocks">Blocks that came and were not wanted any more.</param>
/// <param name="DuplicateBytes">Their bytes, as they came over the wire.</param>
/// <param name="BlocksSent">Blocks sent.</param>
/// <param name="BytesSent">Their bytes, as they went over the wire.</param>
/// <param name="MessagesReceived">Messages taken.</param>
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
    long MessagesReceived,
    int Wants,
    int Peers);
