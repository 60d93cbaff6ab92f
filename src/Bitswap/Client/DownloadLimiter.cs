namespace Ipcs.Bitswap.Client;

/// <summary>
/// Limits the requested bytes per second; 0 for no limit. A request counts with an estimated length, which the real length replaces when
/// the block arrives. Times are in microseconds. Accessed only under the scheduler's lock.
/// </summary>
internal sealed class DownloadLimiter(long bytesPerSecond)
{
    /// <summary>The burst after a pause, as the time that it takes at the rate: longer than the time between two ticks.</summary>
    private const long Burst = 250_000;

    private double _freeAt;

    /// <summary>True when another block may be requested.</summary>
    public bool IsOpen(long now) => bytesPerSecond <= 0 || _freeAt <= now;

    /// <summary>Counts requested or received bytes.</summary>
    public void Spend(long bytes, long now)
    {
        if (bytesPerSecond > 0)
        {
            _freeAt = Math.Max(_freeAt, now - Burst) + (bytes * 1e6 / bytesPerSecond);
        }
    }

    /// <summary>Takes the estimate of a request back.</summary>
    public void Refund(long bytes)
    {
        if (bytesPerSecond > 0)
        {
            _freeAt -= bytes * 1e6 / bytesPerSecond;
        }
    }
}
