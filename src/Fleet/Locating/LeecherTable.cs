using Ipcs.Multiformats;

namespace Ipcs.Fleet.Locating;

/// <summary>Which peers have asked lately for which digest: they are about to fetch it. Thread-safe.</summary>
internal sealed class LeecherTable(TimeProvider time)
{
    /// <summary>The maximum number of digests. Over that the digest that was asked for least recently is removed.</summary>
    private const int MaxDigests = 4096;

    /// <summary>The maximum number of peers per digest: enough to trade blocks with.</summary>
    private const int MaxPeers = 64;

    /// <summary>How long after its last question a digest's peers count as leechers.</summary>
    private static readonly TimeSpan MaxAge = TimeSpan.FromSeconds(30);

    private readonly Lock _lock = new();

    // In the order of the last question.
    private readonly LinkedList<Entry> _order = new();
    private readonly Dictionary<Digest, LinkedListNode<Entry>> _entries = [];

    /// <summary>Records that a peer has asked for a digest.</summary>
    public void Add(Digest digest, PeerId peer)
    {
        lock (_lock)
        {
            if (_entries.TryGetValue(digest, out LinkedListNode<Entry>? node))
            {
                _order.Remove(node);
                _order.AddLast(node);
            }
            else
            {
                if (_entries.Count == MaxDigests)
                {
                    _entries.Remove(_order.First!.Value.Digest);
                    _order.RemoveFirst();
                }

                node = _order.AddLast(new Entry(digest));
                _entries.Add(digest, node);
            }

            node.Value.At = time.GetTimestamp();
            if (node.Value.Peers.Count < MaxPeers)
            {
                node.Value.Peers.Add(peer);
            }
        }
    }

    /// <summary>The peers that have asked for a digest.</summary>
    public PeerId[] Of(Digest digest)
    {
        lock (_lock)
        {
            return _entries.TryGetValue(digest, out LinkedListNode<Entry>? node) && time.GetElapsedTime(node.Value.At) < MaxAge
                ? [.. node.Value.Peers]
                : [];
        }
    }

    private sealed class Entry(Digest digest)
    {
        public Digest Digest { get; } = digest;

        public long At { get; set; }

        public HashSet<PeerId> Peers { get; } = [];
    }
}
