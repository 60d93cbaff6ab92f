namespace Ipcs.Bitswap.Client;

/// <summary>
/// How many bytes to request from one peer at a time: the bandwidth-delay product and a little more, so that the connection is never idle
/// and the queue at the peer is short. The window grows while it is the limit, and stays when the connection is. Times are in microseconds.
/// </summary>
internal sealed class RequestWindow(int first, int most)
{
    /// <summary>The queue at the peer, in time, on top of the delay: it hides pauses of both stores.</summary>
    private const long Queue = 50_000;

    /// <summary>The length of one sample of the rate.</summary>
    private const long SampleTime = 50_000;

    /// <summary>After a pause of this length without a request, a new sample starts.</summary>
    private const long IdleTime = 10_000;

    /// <summary>The number of samples of which the greatest counts: shorter pauses do not shrink the window.</summary>
    private const int Samples = 8;

    /// <summary>How long the least delay is used: routes change.</summary>
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

    /// <summary>A block is requested while none was: a sample that contains the idle time is dropped.</summary>
    public void Begin(long now)
    {
        if (_sampleStart < 0 || now - _lastArrival > IdleTime)
        {
            Restart(now);
        }
    }

    /// <summary>A block has arrived.</summary>
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
