using Ipcs.Multiformats;

namespace Ipcs.Fleet.Locating;

/// <summary>
/// Which peers said that they have a content completely and did not send it. Such a peer is not asked for that content for a time that
/// doubles with each failure. One that repeats its claim for several contents, and has sent none since the first, is to be cut off. A pure
/// table with the clock's time as an argument; thread-safe.
/// </summary>
internal sealed class FailedClaims
{
    /// <summary>Contents of one peer with a repeated false claim before it is cut off.</summary>
    public const int MaxContents = 4;

    /// <summary>The maximum number of remembered pairs of peer and digest, some 1 MB. Over that the oldest is removed.</summary>
    private const int MaxPairs = 4096;

    /// <summary>How long a peer is not asked for a content after the first failure.</summary>
    private static readonly TimeSpan FirstTime = TimeSpan.FromSeconds(10);

    private static readonly TimeSpan LastTime = TimeSpan.FromHours(1);

    /// <summary>The maximum number of remembered peers with false chunks. Over that the oldest is removed.</summary>
    private const int MaxFalse = 1024;

    /// <summary>How long a peer's growing contents are not used after its chunks were no part of one.</summary>
    private static readonly TimeSpan FalseTime = TimeSpan.FromMinutes(10);

    private readonly Lock _lock = new();

    // In the order of the last failure.
    private readonly OrderedDictionary<(PeerId Peer, Digest Digest), (int Failures, DateTimeOffset Until, bool Repeated)> _pairs = [];

    // In the order of the last failure.
    private readonly OrderedDictionary<PeerId, DateTimeOffset> _falseChunks = [];

    /// <summary>True while a peer should not be asked for a content.</summary>
    public bool Contains(PeerId peer, in Digest digest, DateTimeOffset now)
    {
        lock (_lock)
        {
            return _pairs.TryGetValue((peer, digest), out (int Failures, DateTimeOffset Until, bool Repeated) pair) && now < pair.Until;
        }
    }

    /// <summary>Records that a peer did not send a content which it claimed to have.</summary>
    public void Failed(PeerId peer, in Digest digest, DateTimeOffset now)
    {
        lock (_lock)
        {
            _pairs.Remove((peer, digest), out (int Failures, DateTimeOffset Until, bool Repeated) pair);
            if (_pairs.Count == MaxPairs)
            {
                _pairs.RemoveAt(0);
            }

            double seconds = Math.Min(FirstTime.TotalSeconds * Math.Pow(2, pair.Failures), LastTime.TotalSeconds);
            _pairs.Add((peer, digest), (pair.Failures + 1, now + TimeSpan.FromSeconds(seconds), pair.Repeated));
        }
    }

    /// <summary>
    /// Records that a peer has claimed a content again after it did not send it. A peer that lost a block withdraws its claim instead.
    /// </summary>
    /// <returns>True when the peer has done so for <see cref="MaxContents"/> contents.</returns>
    public bool Repeated(PeerId peer, in Digest digest)
    {
        lock (_lock)
        {
            if (_pairs.TryGetValue((peer, digest), out (int Failures, DateTimeOffset Until, bool Repeated) pair))
            {
                _pairs[(peer, digest)] = pair with { Repeated = true };
            }

            return _pairs.Count(p => p.Key.Peer == peer && p.Value.Repeated) >= MaxContents;
        }
    }

    /// <summary>Records that a peer has sent blocks of a content that was verified: what it did not send before was no lie.</summary>
    public void Sent(PeerId peer)
    {
        lock (_lock)
        {
            foreach ((PeerId Peer, Digest Digest) key in _pairs.Keys.Where(k => k.Peer == peer).ToArray())
            {
                _pairs[key] = _pairs[key] with { Repeated = false };
            }
        }
    }

    /// <summary>Records that a peer named chunks of a content that it was getting, and the whole did not have the digest.</summary>
    public void SentFalseChunks(PeerId peer, DateTimeOffset now)
    {
        lock (_lock)
        {
            _falseChunks.Remove(peer);
            if (_falseChunks.Count == MaxFalse)
            {
                _falseChunks.RemoveAt(0);
            }

            _falseChunks.Add(peer, now + FalseTime);
        }
    }

    /// <summary>True while the growing contents of a peer should not be used.</summary>
    public bool HasFalseChunks(PeerId peer, DateTimeOffset now)
    {
        lock (_lock)
        {
            return _falseChunks.TryGetValue(peer, out DateTimeOffset until) && now < until;
        }
    }
}
