namespace Ipcs.Bitswap;

/// <summary>Options of a <see cref="Exchange.BitswapService"/>.</summary>
public sealed class BitswapOptions
{
    /// <summary>Bytes requested from a peer at a time before its rate is known: 1 Gbit/s at 32 ms.</summary>
    public int FirstWindow { get; init; } = 4 << 20;

    /// <summary>
    /// The most bytes requested from a peer at a time: 10 Gbit/s at 50 ms. It also bounds the bytes received and not yet stored.
    /// </summary>
    public int MaxWindow { get; init; } = 64 << 20;

    /// <summary>How long a peer may send none of the requested blocks before other peers are asked for them.</summary>
    public TimeSpan StallTime { get; init; } = TimeSpan.FromMilliseconds(800);

    /// <summary>How long a peer may send less than a fair rate (64 KiB/s) of the requested blocks before it counts as stalled.</summary>
    public TimeSpan FairTime { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>How long a block may be wanted without a peer left to ask before the want fails.</summary>
    public TimeSpan NoPeerTime { get; init; } = TimeSpan.FromSeconds(20);

    /// <summary>How long a peer that sent a false block is refused.</summary>
    public TimeSpan BanTime { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>The most block bytes sent per second to all peers together; 0 for no limit.</summary>
    public long UploadRate { get; init; }

    /// <summary>The most block bytes requested per second from all peers together; 0 for no limit.</summary>
    public long DownloadRate { get; init; }

    /// <summary>The seed of the random choices among peers and blocks.</summary>
    public int Seed { get; init; }

    /// <summary>
    /// Returns true for the bytes of a block without links, so that a fetch of a DAG need not read the block again to find none. Bitswap
    /// itself knows no block format. Called on many threads.
    /// </summary>
    public Predicate<ReadOnlySpan<byte>> IsLeaf { get; init; } = static _ => false;

    /// <summary>Where received blocks are verified and stored.</summary>
    public TaskScheduler Work { get; init; } = TaskScheduler.Default;
}
