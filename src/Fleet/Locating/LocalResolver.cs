using System.Buffers;
using System.Collections.Concurrent;
using Ipcs.Blockstore;
using Ipcs.Dag.Read;
using Ipcs.Fleet.Resolve;
using Ipcs.Multiformats;

namespace Ipcs.Fleet.Locating;

/// <summary>
/// What this node answers when the fleet asks for digests: the index, and DAG roots and blobs of one block that lie here without a record. Remembers for a moment who has asked
/// for what, since whoever asks is about to fetch it too.
/// </summary>
internal sealed class LocalResolver(IStore store, TimeProvider time) : IResolveSource
{
    /// <summary>How long "all of this DAG is here" is believed when a peer asks: it takes a look at every block to know.</summary>
    private static readonly TimeSpan MemoTime = TimeSpan.FromSeconds(5);

    /// <summary>How long whoever has asked counts as somebody who fetches.</summary>
    private static readonly TimeSpan InterestTime = TimeSpan.FromSeconds(30);

    /// <summary>Digests of which something is remembered, each way.</summary>
    private const int MaxRemembered = 4096;

    /// <summary>Askers remembered of one digest: with more a receiver has enough to trade with.</summary>
    private const int MaxAskers = 64;

    private readonly ConcurrentDictionary<Digest, (ContentRecord? Record, long At)> _dags = new();
    private readonly ConcurrentDictionary<Digest, Askers> _asked = new();

    /// <summary>Raised when a peer asks for a content that is here in part: it will fetch it, as we do.</summary>
    public event Action<Digest, PeerId>? LeecherSeen;

    /// <inheritdoc/>
    public ContentRecord? Resolve(in Digest digest, PeerId asker)
    {
        ContentRecord? record = store.Contents.Get(digest);
        if (record is not { Complete: true })
        {
            Remember(digest, asker);
            LeecherSeen?.Invoke(digest, asker);
        }

        return record ?? Remembered(digest);
    }

    /// <summary>What is here of a digest now; null when nothing is known.</summary>
    public ContentRecord? Find(in Digest digest) => store.Contents.Get(digest) ?? Unrecorded(digest);

    /// <summary>Those who have asked for a digest in the last half minute.</summary>
    public PeerId[] AskersOf(Digest digest) =>
        _asked.TryGetValue(digest, out Askers? askers) && time.GetElapsedTime(askers.At) < InterestTime ? [.. askers.Peers.Keys] : [];

    private void Remember(Digest digest, PeerId asker)
    {
        if (_asked.Count >= MaxRemembered)
        {
            foreach ((Digest old, Askers askers) in _asked)
            {
                if (time.GetElapsedTime(askers.At) >= InterestTime || _asked.Count >= MaxRemembered)
                {
                    _asked.TryRemove(old, out _);
                }
            }
        }

        Askers current = _asked.GetOrAdd(digest, _ => new Askers());
        current.At = time.GetTimestamp();
        if (current.Peers.Count < MaxAskers)
        {
            current.Peers.TryAdd(asker, 0);
        }
    }

    private ContentRecord? Remembered(Digest digest)
    {
        if (_dags.TryGetValue(digest, out (ContentRecord? Record, long At) memo) && time.GetElapsedTime(memo.At) < MemoTime)
        {
            return memo.Record;
        }

        if (_dags.Count >= MaxRemembered)
        {
            _dags.Clear();
        }

        ContentRecord? record = Unrecorded(digest);
        _dags[digest] = (record, time.GetTimestamp());
        return record;
    }

    /// <summary>
    /// A digest that names the root block of a UnixFS file is a content with no record needed (design, section 2), and any other block is the blob of its
    /// bytes; null when no block of this hash is here.
    /// </summary>
    private ContentRecord? Unrecorded(in Digest digest)
    {
        if (digest.Hash.Code != Multihash.Sha2_256)
        {
            return null;
        }

        using IMemoryOwner<byte>? block = store.Blocks.Get(digest.Hash);
        if (block is null)
        {
            return null;
        }

        if (!DagFile.TryReadRoot(block.Memory.Span, out long size))
        {
            return new ContentRecord
            {
                Digest = digest,
                Kind = ContentKind.Blob,
                Root = Cid.V1(Multicodec.Raw, digest.Hash),
                Size = block.Memory.Length,
                Complete = true,
            };
        }

        var record = new ContentRecord { Digest = digest, Kind = ContentKind.Dag, Root = Cid.V0(digest.Hash), Size = size };
        return DagVerify.IsComplete(store.Blocks, record.Root) ? record with { Complete = true } : record;
    }

    private sealed class Askers
    {
        public long At { get; set; }

        public ConcurrentDictionary<PeerId, byte> Peers { get; } = new();
    }
}
