namespace Ipcs.Bitswap.Server;

/// <summary>
/// Limits the bytes per second sent to all peers together: a token bucket whose tokens go to the waiting flow with the earliest start tag
/// (start-time fair queueing, Goyal, Vin and Cheng 1996). Busy peers share the rate evenly by bytes, whatever the size of their messages.
/// No call blocks: a waiting flow is woken when it may send. Owns the timer. Thread-safe.
/// </summary>
internal sealed class FairUploadScheduler : IDisposable
{
    /// <summary>The burst after a pause, as the time that it takes at the rate.</summary>
    private static readonly TimeSpan Burst = TimeSpan.FromMilliseconds(50);

    /// <summary>The length of one message, as a fraction of the bytes per second: the other peers wait while it is sent.</summary>
    private const double MessagePart = 0.06;

    /// <summary>
    /// How far behind the others a flow's start tag may be, as a fraction of the bytes per second. While a flow sends a message it does not
    /// wait in the queue, and must not lose its share by that.
    /// </summary>
    private const double KeptPart = 0.25;

    private readonly long _rate;
    private readonly TimeProvider _time;
    private readonly Lock _lock = new();
    private readonly PriorityQueue<UploadFlow, (long Start, long Sequence)> _waiting = new();
    private readonly ITimer? _timer;
    private long _freeAt;
    private long _position;
    private long _sequence;

    /// <summary>Creates a scheduler with a rate in bytes per second; 0 for no limit.</summary>
    public FairUploadScheduler(long rate, TimeProvider time)
    {
        _rate = rate;
        _time = time;
        _freeAt = time.GetTimestamp();
        _timer = rate > 0 ? time.CreateTimer(_ => Wake(null), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan) : null;
    }

    /// <summary>True when the rate is limited.</summary>
    public bool IsOn => _rate > 0;

    /// <summary>The maximum length of a message in bytes.</summary>
    public int MessageBytes => IsOn ? (int)Math.Min(_rate * MessagePart, int.MaxValue) : int.MaxValue;

    /// <summary>
    /// Returns true when a flow may send a message of this many bytes now; the flow then calls <see cref="Settle"/>. Otherwise the flow is
    /// queued, and woken when it may send.
    /// </summary>
    public bool TryTake(UploadFlow flow, int bytes)
    {
        if (!IsOn)
        {
            return true;
        }

        lock (_lock)
        {
            if (flow.MaySend)
            {
                return true;
            }

            if (!flow.Waits)
            {
                flow.Waits = true;
                flow.Bytes = bytes;
                flow.Start = Math.Max(_position - (long)(_rate * KeptPart), flow.End);
                _waiting.Enqueue(flow, (flow.Start, _sequence++));
            }
        }

        Wake(flow);
        lock (_lock)
        {
            return flow.MaySend;
        }
    }

    /// <summary>Corrects the bytes granted to a flow by the number of bytes sent.</summary>
    public void Settle(UploadFlow flow, int sent)
    {
        if (!IsOn)
        {
            return;
        }

        lock (_lock)
        {
            if (flow.MaySend)
            {
                flow.MaySend = false;
                flow.End += sent - flow.Bytes;
                _freeAt += Ticks(sent - flow.Bytes);
            }
        }
    }

    /// <summary>Removes the flow of a peer that has disconnected.</summary>
    public void Leave(UploadFlow flow)
    {
        Settle(flow, 0);
        lock (_lock)
        {
            flow.Gone = true;
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _timer?.Dispose();

    private long Ticks(double bytes) => (long)(bytes / _rate * _time.TimestampFrequency);

    /// <summary>Wakes the flows that may send now, except <paramref name="caller"/>, and sets the timer for the next one.</summary>
    private void Wake(UploadFlow? caller)
    {
        while (TryGrant() is { } flow)
        {
            if (flow != caller)
            {
                flow.Wake();
            }
        }
    }

    private UploadFlow? TryGrant()
    {
        lock (_lock)
        {
            while (_waiting.TryPeek(out UploadFlow? flow, out _))
            {
                if (flow.Gone)
                {
                    _waiting.Dequeue();
                    continue;
                }

                long now = _time.GetTimestamp();
                long start = Math.Max(_freeAt, now - (long)(Burst.TotalSeconds * _time.TimestampFrequency));
                if (start > now)
                {
                    _timer!.Change(_time.GetElapsedTime(now, start) + TimeSpan.FromMilliseconds(1), Timeout.InfiniteTimeSpan);
                    return null;
                }

                _waiting.Dequeue();
                _freeAt = start + Ticks(flow.Bytes);
                _position = Math.Max(_position, flow.Start);
                flow.End = flow.Start + flow.Bytes;
                flow.Waits = false;
                flow.MaySend = true;
                return flow;
            }

            return null;
        }
    }
}
