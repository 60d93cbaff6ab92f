namespace Ipcs.ControlApi;

/// <summary>A token that is cancelled with another one or after a timeout, by the clock that is passed in.</summary>
internal sealed class Deadline : IDisposable
{
    private readonly TimeSpan _timeout;
    private readonly CancellationTokenSource _timer;
    private readonly CancellationTokenSource _linked;

    /// <summary>Starts the timeout.</summary>
    public Deadline(TimeProvider time, TimeSpan timeout, CancellationToken cancellationToken)
    {
        _timeout = timeout;
        _timer = new CancellationTokenSource(timeout, time);
        _linked = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _timer.Token);
    }

    /// <summary>The token.</summary>
    public CancellationToken Token => _linked.Token;

    /// <summary>Starts the timeout anew. Without effect once it is over.</summary>
    public void Restart() => _timer.CancelAfter(_timeout);

    /// <inheritdoc/>
    public void Dispose()
    {
        _linked.Dispose();
        _timer.Dispose();
    }
}
