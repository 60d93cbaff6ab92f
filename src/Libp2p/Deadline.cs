namespace Ipcs.Libp2p;

/// <summary>A token source that is cancelled after a time on a given clock, or as soon as one of its parent tokens is.</summary>
public sealed class Deadline : CancellationTokenSource
{
    private readonly CancellationTokenRegistration _parent;
    private readonly CancellationTokenRegistration _other;

    /// <summary>Starts the time, or is cancelled at once when a parent token is.</summary>
    public Deadline(TimeProvider time, TimeSpan after, CancellationToken parent, CancellationToken other = default)
        : base(after, time)
    {
        _parent = parent.UnsafeRegister(static state => ((Deadline)state!).Cancel(), this);
        _other = other.UnsafeRegister(static state => ((Deadline)state!).Cancel(), this);
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _parent.Dispose();
            _other.Dispose();
        }

        base.Dispose(disposing);
    }
}
