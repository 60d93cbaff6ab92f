namespace Ipcs.Bitswap.Server;

/// <summary>
/// Lets so many bytes a second go out to all peers together: a token bucket whose tokens go to the waiting flow that has had the fewest
/// (start-time fair queueing, Goyal, Vin and Cheng 1996), so that peers which want all they can get share the rate evenly by bytes, whatever the size
/// of their messages. Nobody blocks: a flow that must wait is woken. Owns the timer. Thread-safe.
/// </summary>
internal sealed class FairUploadScheduler : IDisposable
{
    /// <summary>What may pass at once after a pause.</summary>
    private static readonly TimeSpan Burst = TimeSpan.FromMilliseconds(50);

    /// <summary>The part of the rate's second that one message is: peers wait for each other's.</summary>
    private const double MessagePart = 0.06;

    /// <summary>
    /// The part of the rate's second that a flow which did not wait keeps of its share: while it sends a message it asks for nothing, and must not lose by that.
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

    /// <summary>With a rate in bytes a second; 0 for none.</summary>
    public FairUploadScheduler(long rate, TimeProvider time)
    {
        _rate = rate;
        _time = time;
        _freeAt = time.GetTimestamp();
        _timer = rate > 0 ? time.CreateTimer(_ => Wake(null), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan) : null;
    }

    /// <summary>True when there is a rate.</summary>
    public bool IsOn => _rate > 0;

    /// <summary>How long a message should be at most, in bytes.</summary>
    public int MessageBytes => IsOn ? (int)Math.Min(_rate * MessagePart, int.MaxValue) : int.MaxValue;

    /// <summary>
    /// True when a flow may send a message of so many bytes now, and then it settles what that came to. Else it is woken when it may.
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

    /// <summary>A flow has sent what it might, and that was so many bytes.</summary>
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

    /// <summary>A flow's peer is gone.</summary>
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

    /// <summary>Lets go who may send now, and sets the timer for the next; <paramref name="caller"/> sees for itself.</summary>
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
