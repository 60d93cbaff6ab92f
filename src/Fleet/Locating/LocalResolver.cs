using System.Buffers;
using Ipcs.Blockstore;
using Ipcs.Dag.Read;
using Ipcs.Fleet.Growing;
using Ipcs.Fleet.Resolve;
using Ipcs.Multiformats;

namespace Ipcs.Fleet.Locating;

/// <summary>
/// What this node has of a digest: its record, or else what the block with the digest's hash says. Remembers which peers asked. Owns the
/// background walks of roots without a record.
/// </summary>
/// <param name="contents">The content index.</param>
/// <param name="blocks">The store.</param>
/// <param name="growing">What this node is getting from its start to its end.</param>
/// <param name="time">The clock.</param>
/// <param name="underWay">What is being fetched under a digest, which is not verified; null when nothing is.</param>
internal sealed class LocalResolver(
    IContentIndex contents,
    IBlockstore blocks,
    GrowingContents growing,
    TimeProvider time,
    Func<Digest, ContentRecord?>? underWay = null)
    : IResolveSource, IAsyncDisposable
{
    private readonly DagCompleteness _completeness = new(blocks, time);
    private readonly LeecherTable _leechers = new(time);

    /// <summary>Raised when a peer asks for a content that this node holds partly: that peer is fetching it too.</summary>
    public event Action<Digest, PeerId>? LeecherSeen;

    /// <inheritdoc/>
    public ContentRecord? Resolve(in Digest digest, PeerId asker)
    {
        ContentRecord? record = contents.Get(digest);
        if (record is not { Complete: true })
        {
            _leechers.Add(digest, asker);
            LeecherSeen?.Invoke(digest, asker);
        }

        return record ?? underWay?.Invoke(digest) ?? Peek(digest);
    }

    /// <inheritdoc/>
    public GrowingPart? Growing(in Digest digest, int from, int most) => growing.Part(digest, from, most);

    /// <summary>
    /// What is stored of a digest. Without a record, a DAG counts as incomplete until its walk in the background has ended.
    /// </summary>
    public ContentRecord? Peek(in Digest digest)
    {
        if (contents.Get(digest) is { } record)
        {
            return record;
        }

        ContentRecord? unrecorded = Unrecorded(digest, out bool needsWalk);
        return needsWalk ? unrecorded! with { Complete = _completeness.Peek(unrecorded.Root) } : unrecorded;
    }

    /// <summary>What is stored of a digest. Waits for the walk of a DAG without a record.</summary>
    public ValueTask<ContentRecord?> FindAsync(in Digest digest, CancellationToken cancellationToken)
    {
        if (contents.Get(digest) is { } record)
        {
            return ValueTask.FromResult<ContentRecord?>(record);
        }

        ContentRecord? unrecorded = Unrecorded(digest, out bool needsWalk);
        return needsWalk ? CheckAsync(unrecorded!, cancellationToken) : ValueTask.FromResult(unrecorded);
    }

    /// <summary>The peers that have asked for a digest lately.</summary>
    public PeerId[] LeechersOf(Digest digest) => _leechers.Of(digest);

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => _completeness.DisposeAsync();

    private async ValueTask<ContentRecord?> CheckAsync(ContentRecord record, CancellationToken cancellationToken) =>
        record with { Complete = await _completeness.CheckAsync(record.Root).WaitAsync(cancellationToken) };

    /// <summary>
    /// A digest that is the root block's hash of a UnixFS file is a content of kind dag, and any other block is a blob of its own bytes;
    /// null when no block of this hash is stored.
    /// </summary>
    /// <param name="digest">The digest.</param>
    /// <param name="needsWalk">True when the blocks below the root decide whether it is complete.</param>
    private ContentRecord? Unrecorded(in Digest digest, out bool needsWalk)
    {
        needsWalk = false;
        if (digest.Hash.Code != Multihash.Sha2_256)
        {
            return null;
        }

        using IMemoryOwner<byte>? block = blocks.Get(digest.Hash);
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

        needsWalk = !DagWalk.IsLeaf(block.Memory.Span);
        return new ContentRecord
        {
            Digest = digest,
            Kind = ContentKind.Dag,
            Root = Cid.V0(digest.Hash),
            Size = size,
            Complete = !needsWalk,
        };
    }
}
