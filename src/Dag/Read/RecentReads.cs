using Ipcs.Multiformats;

namespace Ipcs.Dag.Read;

/// <summary>
/// The contents that somebody has lately begun to read piece by piece, as one does who unpacks them, and the last read that came to nothing. Thread-safe.
/// </summary>
public sealed class RecentReads(TimeProvider time)
{
    /// <summary>More than a host unpacks at a time.</summary>
    private const int Capacity = 64;

    /// <summary>How long a failure is told of: whoever unpacks learns at once that nothing comes, but not why.</summary>
    private static readonly TimeSpan Lately = TimeSpan.FromSeconds(30);

    private readonly Lock _gate = new();
    private readonly LinkedList<Digest> _digests = new();
    private (Digest Digest, string Error, long At)? _failure;

    /// <summary>Each once, the last first.</summary>
    public Digest[] Latest
    {
        get
        {
            lock (_gate)
            {
                return [.. _digests];
            }
        }
    }

    /// <summary>Which content could not be read, and why; null when none has failed lately.</summary>
    public (Digest Digest, string Error)? LastFailure
    {
        get
        {
            lock (_gate)
            {
                return _failure is { } last && time.GetElapsedTime(last.At) < Lately ? (last.Digest, last.Error) : null;
            }
        }
    }

    /// <summary>The first piece of a content is read, and it is not all of it.</summary>
    public void Begun(Digest digest)
    {
        lock (_gate)
        {
            if (_digests.First?.Value == digest)
            {
                return;
            }

            _digests.Remove(digest);
            if (_digests.Count == Capacity)
            {
                _digests.RemoveLast();
            }

            _digests.AddFirst(digest);
        }
    }

    /// <summary>A read has ended with an error.</summary>
    public void Failed(Digest digest, string error)
    {
        lock (_gate)
        {
            _failure = (digest, error, time.GetTimestamp());
        }
    }
}
