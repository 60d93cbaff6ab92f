namespace Ipcs.Bitswap;

/// <summary>How Bitswap behaves.</summary>
public sealed class BitswapOptions
{
    /// <summary>Blocks that may be wanted of one peer at a time: 16 MiB at 256 KiB each, 1 Gbit/s at 130 ms.</summary>
    public int WantsPerPeer { get; init; } = 64;

    /// <summary>How long a peer may send nothing of what it was asked for before its wants go to others.</summary>
    public TimeSpan StallTime { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>How long a block may be wanted with nobody left to ask before the want fails.</summary>
    public TimeSpan NoPeerTime { get; init; } = TimeSpan.FromSeconds(20);

    /// <summary>How long a peer that sent a false block is left alone.</summary>
    public TimeSpan BanTime { get; init; } = TimeSpan.FromMinutes(10);
}

/// <summary>A block can't be had from anybody who was asked.</summary>
public sealed class BlockUnavailableException(string message) : IOException(message);

/// <summary>What Bitswap has done since it began.</summary>
/// <param name="BlocksReceived">Blocks that were wanted and hold their hash.</param>
/// <param name="BytesReceived">Their bytes.</param>
/// <param name="DuplicateBlocks">Blocks that came and were not wanted any more.</param>
/// <param name="DuplicateBytes">Their bytes.</param>
/// <param name="BlocksSent">Blocks sent.</param>
/// <param name="BytesSent">Their bytes.</param>
public sealed record BitswapStatistics(
    long BlocksReceived, long BytesReceived, long DuplicateBlocks, long DuplicateBytes, long BlocksSent, long BytesSent);
