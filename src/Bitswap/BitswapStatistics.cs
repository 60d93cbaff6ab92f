namespace Ipcs.Bitswap;

/// <summary>What Bitswap has done since it began.</summary>
/// <param name="BlocksReceived">Blocks that were wanted and hold their hash.</param>
/// <param name="BytesReceived">Their bytes.</param>
/// <param name="DuplicateBlocks">Blocks that came and were not wanted any more.</param>
/// <param name="DuplicateBytes">Their bytes.</param>
/// <param name="BlocksSent">Blocks sent.</param>
/// <param name="BytesSent">Their bytes.</param>
/// <param name="MessagesReceived">Messages taken.</param>
/// <param name="Wants">Blocks wanted now.</param>
/// <param name="Peers">Connected peers that speak Bitswap.</param>
public sealed record BitswapStatistics(
    long BlocksReceived,
    long BytesReceived,
    long DuplicateBlocks,
    long DuplicateBytes,
    long BlocksSent,
    long BytesSent,
    long MessagesReceived,
    int Wants,
    int Peers);
