using System.Diagnostics;
using Ipcs.Multiformats;

namespace Ipcs.Fleet.Discovery;

/// <summary>
/// The peers that could not be dialled within the last <see cref="RetryAfter"/>, at most <see cref="MaxFailures"/>: when there are more,
/// the oldest failure is forgotten, and its peer is dialled again early. Thread-safe.
/// </summary>
internal sealed class DialFailures(TimeProvider time)
{
    /// <summary>
    /// The maximum number of failures remembered, about 400 KiB: anyone on the link can announce peers that do not exist.
    /// </summary>
    internal const int MaxFailures = 4096;

    /// <summary>How long a failure counts.</summary>
    internal static readonly TimeSpan RetryAfter = TimeSpan.FromMinutes(1);

    private readonly Lock _lock = new();
    private readonly Dictionary<PeerId, long> _last = [];

    /// <summary>All failures by time, also those that a later failure or success of the same peer has replaced.</summary>
    private readonly Queue<(PeerId Peer, long At)> _byTime = new();

    /// <summary>True when a dial of the peer has failed within <see cref="RetryAfter"/> and none has succeeded since.</summary>
    public bool IsRecent(PeerId peer)
    {
        lock (_lock)
        {
            return _last.TryGetValue(peer, out long at) && !IsOver(at);
        }
    }

    /// <summary>Records that a dial of the peer failed now.</summary>
    public void Add(PeerId peer)
    {
        lock (_lock)
        {
            while (_byTime.TryPeek(out (PeerId Peer, long At) oldest) && (_byTime.Count >= MaxFailures || IsOver(oldest.At)))
            {
                _byTime.Dequeue();
                if (_last.TryGetValue(oldest.Peer, out long at) && at == oldest.At)
                {
                    _last.Remove(oldest.Peer);
                }
            }

            long now = time.GetTimestamp();
            _last[peer] = now;
            _byTime.Enqueue((peer, now));
            Debug.Assert(_last.Count <= _byTime.Count, "Every failure has its place in the queue.");
        }
    }

    /// <summary>Forgets the failures of a peer that answered.</summary>
    public void Remove(PeerId peer)
    {
        lock (_lock)
        {
            _last.Remove(peer);
        }
    }

    private bool IsOver(long at) => time.GetElapsedTime(at) >= RetryAfter;
}
