namespace Ipcs.Bitswap.Client;

/// <summary>
/// How many bytes to want of one peer at a time: what its link carries in the time that a block takes to come, and a little more, so that the link is
/// never idle and the queue at the peer is short. Follows what arrives: while the window is the limit, the rate that it reaches allows a larger one;
/// once the link is, it stays. Times are in microseconds.
/// </summary>
internal sealed class RequestWindow(int first, int most)
{
    /// <summary>Queue at the peer on top of the link's own delay: what hides the pauses of its store and of ours.</summary>
    private const long Queue = 50_000;

    /// <summary>How long bytes are counted for one sample of the rate.</summary>
    private const long SampleTime = 50_000;

    /// <summary>A pause of ours from this length on is no pause of the peer's.</summary>
    private const long IdleTime = 10_000;

    /// <summary>Samples of which the greatest counts: a pause shorter than all of them doesn't shrink the window.</summary>
    private const int Samples = 8;

    /// <summary>How long the least delay is believed: routes change.</summary>
    private const long DelayTime = 10_000_000;

    private readonly double[] _rates = new double[Samples];
    private int _next;
    private long _sampleStart = -1;
    private long _sampleBytes;
    private long _lastArrival;
    private long _delay = long.MaxValue;
    private long _delayBefore = long.MaxValue;
    private long _delaySince;

    /// <summary>The window, in bytes.</summary>
    public long Bytes { get; private set; } = first;

    /// <summary>The rate, in bytes per second; 0 before it is known.</summary>
    public double Rate { get; private set; }

    /// <summary>The time between a want and its block when nothing is queued, in microseconds; 0 before it is known.</summary>
    public long Delay => Math.Min(_delay, _delayBefore) is var d && d == long.MaxValue ? 0 : d;

    /// <summary>The peer is asked for something after it owed us nothing: if it was idle for a while, that time says nothing of its link.</summary>
    public void Begin(long now)
    {
        if (_sampleStart < 0 || now - _lastArrival > IdleTime)
        {
            Restart(now);
        }
    }

    /// <summary>A block has come.</summary>
    public void Arrived(long now, long askedAt, int bytes)
    {
        if (now - _delaySince > DelayTime)
        {
            _delayBefore = _delay;
            _delay = long.MaxValue;
            _delaySince = now;
        }

        _delay = Math.Min(_delay, Math.Max(1, now - askedAt));
        _sampleBytes += bytes;
        _lastArrival = now;
        long elapsed = now - _sampleStart;
        if (elapsed < SampleTime)
        {
            return;
        }

        _rates[_next++ % Samples] = _sampleBytes * 1e6 / elapsed;
        Restart(now);
        Rate = _rates.Max();
        Bytes = (long)Math.Clamp(Rate * ((1.25 * Delay) + Queue) / 1e6, 1, most);
    }

    private void Restart(long now)
    {
        _sampleStart = now;
        _sampleBytes = 0;
    }
}
