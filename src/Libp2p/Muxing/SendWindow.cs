namespace Ipcs.Libp2p.Muxing;

/// <summary>How many bytes may still be sent on a stream. One taker at a time; the connection's reader grants.</summary>
internal sealed class SendWindow(long initial)
{
    private readonly Lock _lock = new();
    private long _available = initial;
    private bool _closed;
    private TaskCompletionSource? _waiting;

    /// <summary>Takes up to <paramref name="wanted"/> bytes, waiting until there is one at least; 0 once the window is closed.</summary>
    public async ValueTask<int> TakeAsync(int wanted, CancellationToken cancellationToken)
    {
        while (true)
        {
            Task wait;
            lock (_lock)
            {
                if (_closed)
                {
                    return 0;
                }

                if (_available > 0)
                {
                    int n = (int)Math.Min(wanted, _available);
                    _available -= n;
                    return n;
                }

                _waiting ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
                wait = _waiting.Task;
            }

            await wait.WaitAsync(cancellationToken);
        }
    }

    /// <summary>Adds to the window. False when the sum is more than a peer can mean.</summary>
    public bool Grant(long bytes)
    {
        lock (_lock)
        {
            _available += bytes;
            Wake();
            return _available <= uint.MaxValue;
        }
    }

    /// <summary>Ends all waiting.</summary>
    public void Close()
    {
        lock (_lock)
        {
            _closed = true;
            Wake();
        }
    }

    private void Wake()
    {
        _waiting?.SetResult();
        _waiting = null;
    }
}
