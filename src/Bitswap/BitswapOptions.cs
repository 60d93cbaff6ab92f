namespace Ipcs.Bitswap;

/// <summary>How Bitswap behaves.</summary>
public sealed class BitswapOptions
{
    /// <summary>Bytes wanted of a peer before anything is known of its link: 1 Gbit/s at 32 ms.</summary>
    public int FirstWindow { get; init; } = 4 << 20;

    /// <summary>The most bytes wanted of a peer at a time: 10 Gbit/s at 50 ms; what has come and is not stored yet is bounded by it too.</summary>
    public int MaxWindow { get; init; } = 64 << 20;

    /// <summary>How long a peer may send nothing of what it was asked for before its wants go to others.</summary>
    public TimeSpan StallTime { get; init; } = TimeSpan.FromMilliseconds(800);

    /// <summary>How long a block may be wanted with nobody left to ask before the want fails.</summary>
    public TimeSpan NoPeerTime { get; init; } = TimeSpan.FromSeconds(20);

    /// <summary>How long a peer that sent a false block is left alone.</summary>
    public TimeSpan BanTime { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>The most block bytes sent a second, to all peers together; 0 for no limit.</summary>
    public long UploadRate { get; init; }

    /// <summary>The most block bytes asked for a second, from all peers together; 0 for no limit.</summary>
    public long DownloadRate { get; init; }

    /// <summary>
    /// Tells of the bytes of a block that has come, while they are at hand, that it links to no other: who fetches a DAG need not read it again to learn that.
    /// Bitswap knows no format of blocks: it is given this. Called on many threads.
    /// </summary>
    public Predicate<ReadOnlySpan<byte>> IsLeaf { get; init; } = static _ => false;

    /// <summary>Where blocks that have come are hashed and stored.</summary>
    public TaskScheduler Work { get; init; } = TaskScheduler.Default;
}
