namespace Ipcs.Bitswap.Client;

/// <summary>
/// Keeps what is asked for to so many bytes a second; 0 for no limit. What a block counts when it is asked for is a guess, which its real
/// length replaces when it comes. Times are in microseconds. Touched only under the scheduler's lock.
/// </summary>
internal sealed class DownloadLimiter(long bytesPerSecond)
{
    /// <summary>What may be asked for at once after a pause: more than comes together between two looks at the clock.</summary>
    private const long Burst = 250_000;

    private double _freeAt;

    /// <summary>True when another block may be asked for.</summary>
    public bool IsOpen(long now) => bytesPerSecond <= 0 || _freeAt <= now;

    /// <summary>Counts bytes that are asked for, or have come.</summary>
    public void Spend(long bytes, long now)
    {
        if (bytesPerSecond > 0)
        {
            _freeAt = Math.Max(_freeAt, now - Burst) + (bytes * 1e6 / bytesPerSecond);
        }
    }

    /// <summary>Those that were asked for are not to come any more, or are counted anew.</summary>
    public void Refund(long bytes)
    {
        if (bytesPerSecond > 0)
        {
            _freeAt -= bytes * 1e6 / bytesPerSecond;
        }
    }
}
