using Ipcs.Multiformats;

namespace Ipcs.Dag.Read;

/// <summary>
/// The contents whose reading in pieces began recently (they are probably being unpacked), and the last failed read. Thread-safe.
/// </summary>
public sealed class RecentReads(TimeProvider time)
{
    /// <summary>The most contents listed: more than a host unpacks at a time.</summary>
    private const int Capacity = 64;

    /// <summary>How long a failure is reported: the unpacking client sees that a read failed, but not why.</summary>
    private static readonly TimeSpan Lately = TimeSpan.FromSeconds(30);

    private readonly Lock _gate = new();
    private readonly LinkedList<Digest> _digests = new();
    private (Digest Digest, string Error, long At)? _failure;

    /// <summary>The contents, each once, the most recent first.</summary>
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

    /// <summary>The content that could not be read, and why; null when none has failed recently.</summary>
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

    /// <summary>Records that the first piece of a content, and not all of it, is read.</summary>
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

    /// <summary>Records a failed read.</summary>
    public void Failed(Digest digest, string error)
    {
        lock (_gate)
        {
            _failure = (digest, error, time.GetTimestamp());
        }
    }
}
