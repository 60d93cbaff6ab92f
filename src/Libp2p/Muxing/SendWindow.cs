using System.Diagnostics;

namespace Ipcs.Libp2p.Muxing;

/// <summary>How many bytes may still be sent on a stream. One writer takes at a time; the connection's reading loop grants.</summary>
internal sealed class SendWindow(long initial)
{
    private readonly Lock _lock = new();
    private long _available = initial;
    private bool _closed;
    private TaskCompletionSource? _waiting;

    /// <summary>Takes up to <paramref name="wanted"/> bytes, waiting until there is at least one; 0 when the window is closed.</summary>
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

                Debug.Assert(_available >= 0, "no more is taken than there is");
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

    /// <summary>Adds bytes to the window. False when the sum is more than the protocol can grant.</summary>
    public bool Grant(long bytes)
    {
        Debug.Assert(bytes >= 0, "a grant is unsigned on the wire");
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
