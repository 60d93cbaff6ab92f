namespace Ipcs.Bitswap.Client;

/// <summary>
/// Whether a peer sends what was requested from it at a fair rate. The bytes of a block count as they are received, so that a long block
/// from a slow peer is not a pause. Times are in microseconds.
/// </summary>
public sealed class FairRate
{
    /// <summary>
    /// The rate, in bytes per second, below which a peer does not send fairly: half a Mbit/s, less than the least share that a busy host
    /// gives.
    /// </summary>
    public const long BytesPerSecond = 64 << 10;

    /// <summary>
    /// The bytes that count before their block is complete: two usual chunks. A peer that sends bytes and never a whole block is fair for
    /// 8 s at most.
    /// </summary>
    private const long MaxIncomplete = 512 << 10;

    private long _since;
    private long _counted;
    private long _blocks;
    private long _receivedBefore;

    /// <summary>A block is requested while none was.</summary>
    /// <param name="now">The time.</param>
    /// <param name="received">The bytes received from the peer so far.</param>
    public void Begin(long now, long received)
    {
        _since = now;
        _counted = _blocks;
        _receivedBefore = received;
    }

    /// <summary>A requested block has arrived.</summary>
    public void BlockArrived(int length, long now, long received)
    {
        _blocks += length;
        _receivedBefore = received;
        Update(now, received);
    }

    /// <summary>Compares what was received since the peer was fair for the last time with the fair rate.</summary>
    public void Update(long now, long received)
    {
        long total = _blocks + Math.Min(received - _receivedBefore, MaxIncomplete);
        if ((total - _counted) * 1_000_000 >= BytesPerSecond * (now - _since))
        {
            _since = now;
            _counted = total;
        }
    }

    /// <summary>How long the peer has sent less than the fair rate.</summary>
    public long UnfairTime(long now) => now - _since;
}
