using Ipcs.Multiformats;

namespace Ipcs.Bitswap.Exchange;

/// <summary>The peers that are refused for a while. Thread-safe.</summary>
internal sealed class BanList(TimeProvider time, TimeSpan banTime)
{
    /// <summary>The maximum number of bans: 4096 are some 500 KB. Over that the oldest ban is lifted.</summary>
    public const int MaxBans = 4096;

    private readonly Lock _lock = new();

    // In order of the ban's end, since all bans last equally long.
    private readonly OrderedDictionary<PeerId, DateTimeOffset> _bans = [];

    /// <summary>Bans a peer from now on, also when it is banned already.</summary>
    public void Add(PeerId peer)
    {
        lock (_lock)
        {
            _bans.Remove(peer);
            if (_bans.Count == MaxBans)
            {
                _bans.RemoveAt(0);
            }

            _bans.Add(peer, time.GetUtcNow() + banTime);
        }
    }

    /// <summary>True while a peer is banned.</summary>
    public bool Contains(PeerId peer)
    {
        lock (_lock)
        {
            if (!_bans.TryGetValue(peer, out DateTimeOffset end))
            {
                return false;
            }

            if (time.GetUtcNow() < end)
            {
                return true;
            }

            _bans.Remove(peer);
            return false;
        }
    }
}
