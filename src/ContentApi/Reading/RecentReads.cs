using Ipcs.Multiformats;

namespace Ipcs.ContentApi.Reading;

/// <summary>The contents that somebody has lately begun to read piece by piece, as one does who unpacks them. Thread-safe.</summary>
public sealed class RecentReads
{
    /// <summary>More than a host unpacks at a time.</summary>
    private const int Capacity = 64;

    private readonly Lock _gate = new();
    private readonly LinkedList<Digest> _digests = new();

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
}
