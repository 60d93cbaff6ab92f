namespace Ipcs.Dag.Gc;

/// <summary>
/// How long contents that containerd has deleted stay for the peers of this node: containerd may delete each layer after it has unpacked
/// it. None stay while the disk is nearly full, since somebody deletes images to make room then.
/// </summary>
/// <param name="period">How long they stay; zero for not at all.</param>
/// <param name="diskUse">The used share of the store's file system, from 0 to 1.</param>
/// <param name="time">The clock.</param>
public sealed class Retention(TimeSpan period, Func<double> diskUse, TimeProvider time)
{
    /// <summary>From this share of the file system on, nothing stays. kubelet deletes images from 0.85 until 0.8 are used.</summary>
    private const double MaxDiskUse = 0.75;

    /// <summary>True when a content that is deleted now stays for a while.</summary>
    public bool IsOn => period > TimeSpan.Zero && diskUse() < MaxDiskUse;

    /// <summary>Contents that were deleted since then stay; null when none do.</summary>
    public DateTimeOffset? Since => IsOn ? time.GetUtcNow() - period : null;
}
