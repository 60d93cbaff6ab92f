using System.Buffers;
using System.Diagnostics;
using Ipcs.Bitswap.Client;
using Ipcs.Bitswap.Exchange;
using Ipcs.Blockstore;
using Ipcs.Dag.Read;
using Ipcs.Fleet.Resolve;
using Ipcs.Libp2p;
using Ipcs.Multiformats;
using Microsoft.Extensions.Logging;
using IHost = Ipcs.Libp2p.IHost;

namespace Ipcs.Fleet.Locating;

/// <summary>
/// Finds which connected peers have which digest. Asks each peer for many digests in one question, once per digest however many callers
/// want to know, and remembers the answers for a while. Owns its questions. Thread-safe.
/// </summary>
internal sealed partial class ContentLocator(
    IHost host, IBlockstore blocks, BitswapService bitswap, ResolveService resolve, TimeProvider time, ILogger logger) : IAsyncDisposable
{
    /// <summary>The maximum number of remembered resolutions: a pull of a large index asks for some hundreds.</summary>
    private const int MaxResolutions = 4096;

    /// <summary>How long a negative answer is remembered: containerd repeats its Info within a pull, and new owners are rare.</summary>
    private static readonly TimeSpan NegativeTime = TimeSpan.FromSeconds(1);

    /// <summary>How long one question to a peer may take in all. A fetch waits less for the answers.</summary>
    private static readonly TimeSpan QuestionTime = TimeSpan.FromSeconds(5);

    /// <summary>How long the peers that failed have to repeat or withdraw their claim.</summary>
    private static readonly TimeSpan RepeatTime = TimeSpan.FromMilliseconds(500);

    private readonly Lock _lock = new();
    private readonly FailedClaims _failed = new();

    // In the order of asking.
    private readonly LinkedList<Resolution> _order = new();
    private readonly Dictionary<Digest, LinkedListNode<Resolution>> _resolutions = [];
    private readonly CancellationTokenSource _stopping = new();
    private readonly TaskTracker _background = new();

    /// <summary>The resolution of a digest. The connected peers are asked unless it is known or they are being asked already.</summary>
    public Resolution Ask(Digest digest) => Ask([digest])[0];

    /// <summary>The resolutions of digests in their order; those that are not known are asked for in one question per peer.</summary>
    public IReadOnlyList<Resolution> Ask(IReadOnlyCollection<Digest> digests)
    {
        var resolutions = new List<Resolution>(digests.Count);
        var fresh = new List<Resolution>();
        lock (_lock)
        {
            foreach (Digest digest in digests)
            {
                if (Find(digest) is { } known && IsFresh(known))
                {
                    resolutions.Add(known);
                    continue;
                }

                fresh.Add(Add(digest));
                resolutions.Add(fresh[^1]);
            }
        }

        if (fresh.Count == 0)
        {
            return resolutions;
        }

        (PeerId Peer, bool WaitedFor)[] peers = [.. Peers().Select(p => (p, !resolve.Hangs(p)))];
        int waitedFor = peers.Count(p => p.WaitedFor);
        fresh.ForEach(r => r.Expect(waitedFor));
        foreach (Resolution[] part in fresh.Chunk(ResolveService.MaxDigests))
        {
            foreach ((PeerId peer, bool waits) in peers)
            {
                _background.Add(AskPeerAsync(peer, part, waits));
            }
        }

        return resolutions;
    }

    /// <summary>Asks all connected peers again: some have connected since, some have more of the content now.</summary>
    public Task AskAgainAsync(IReadOnlyCollection<Digest> digests)
    {
        Resolution[] resolutions;
        lock (_lock)
        {
            resolutions = [.. digests.Take(ResolveService.MaxDigests).Select(d => Find(d) ?? AddWithoutWait(d))];
        }

        Task asking = Task.WhenAll(Peers().Select(p => AskPeerAsync(p, resolutions, waitedFor: false)));
        _background.Add(asking);
        return asking;

        Resolution AddWithoutWait(Digest digest)
        {
            Resolution resolution = Add(digest);
            resolution.Expect(0);
            return resolution;
        }
    }

    /// <summary>
    /// What the peers say of a digest, one entry per peer. Peers that did not send this content lately, although they claimed to have it,
    /// are left out unless they are asked for.
    /// </summary>
    public IReadOnlyList<(PeerId Peer, ContentRecord Record)> Claims(Digest digest, bool withFailed)
    {
        Resolution? resolution;
        lock (_lock)
        {
            resolution = Find(digest);
        }

        return resolution is null ? [] : [.. UsableAnswers(resolution, withFailed)];
    }

    /// <summary>
    /// The record that most peers have completely; the one that was answered first when there are several. Null when no peer has it.
    /// </summary>
    public ContentRecord? Best(Digest digest) => Candidates(digest, withFailed: false) is [var best, ..] ? best : null;

    /// <summary>The different complete records that peers claim, those with the most peers first.</summary>
    public IReadOnlyList<ContentRecord> Candidates(Digest digest, bool withFailed) =>
        [.. Claims(digest, withFailed)
            .Where(c => c.Record.Complete)
            .GroupBy(c => (c.Record.Root.ToV1(), c.Record.Kind))
            .OrderByDescending(g => g.Count())
            .Select(g => g.First().Record with { Complete = false })];

    /// <summary>
    /// The connected peers that are getting a content, each with what it says of it. Peers that did not send this content lately are left
    /// out, and so are those whose chunks were false once.
    /// </summary>
    public IReadOnlyList<(PeerId Peer, GrowingPart Part)> Growing(Digest digest)
    {
        Resolution? resolution;
        lock (_lock)
        {
            resolution = Find(digest);
        }

        DateTimeOffset now = time.GetUtcNow();
        HashSet<PeerId> connected = [.. host.Peers.Select(p => p.Peer)];
        return resolution is null ? [] :
        [
            .. resolution.Growing
                .Where(g => connected.Contains(g.Key) && !_failed.Contains(g.Key, digest, now) && !_failed.HasFalseChunks(g.Key, now))
                .Select(g => (g.Key, g.Value)),
        ];
    }

    /// <summary>Asks a peer for the next chunks of a content that it is getting.</summary>
    /// <param name="peer">The peer.</param>
    /// <param name="digest">The content.</param>
    /// <param name="from">The number of chunks that are known.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>Null when the peer does not answer, or is not getting the content any more.</returns>
    public async Task<GrowingPart?> FollowAsync(PeerId peer, Digest digest, int from, CancellationToken cancellationToken)
    {
        using var limit = new Deadline(time, QuestionTime, cancellationToken, _stopping.Token);
        return await AnswerOfAsync(peer, [new ResolveQuestion(digest, from)], limit.Token) is { Growing: [var part] } ? part : null;
    }

    /// <summary>
    /// Records that peers which are getting a content did not send what they named of it, or sent what is no part of it. Their client may
    /// have got false bytes from a registry, so they are not cut off.
    /// </summary>
    public void GrowingFailed(Digest digest, IEnumerable<PeerId> peers, bool areFalse)
    {
        foreach (PeerId peer in peers)
        {
            _failed.Failed(peer, digest, time.GetUtcNow());
            if (areFalse)
            {
                _failed.SentFalseChunks(peer, time.GetUtcNow());
            }
        }
    }

    /// <summary>Removes a peer's answer for a digest, which was false.</summary>
    public void Forget(Digest digest, PeerId peer)
    {
        lock (_lock)
        {
            Find(digest)?.Remove(peer);
        }
    }

    /// <summary>
    /// Records that peers did not send a content that they claim to have completely. They are asked whether they still claim it.
    /// </summary>
    /// <returns>The peers that have repeated such a claim for several contents, and are to be cut off.</returns>
    public async Task<IReadOnlyList<PeerId>> FailedAsync(Digest digest, IReadOnlyList<PeerId> peers)
    {
        if (peers.Count == 0)
        {
            return [];
        }

        foreach (PeerId peer in peers)
        {
            _failed.Failed(peer, digest, time.GetUtcNow());
        }

        await Task.WhenAny(AskAgainAsync([digest]), Task.Delay(RepeatTime, time, _stopping.Token));
        HashSet<PeerId> repeated = [.. Claims(digest, withFailed: true).Where(c => c.Record.Complete).Select(c => c.Peer)];
        return [.. peers.Where(p => repeated.Contains(p) && _failed.Repeated(p, digest))];
    }

    /// <summary>Records that a peer has sent blocks of a content that was verified.</summary>
    public void Sent(PeerId peer) => _failed.Sent(peer);

    /// <summary>
    /// The connected peers that have a digest, each with its record. Waits for all answers, for <see cref="QuestionTime"/> at most.
    /// </summary>
    public async Task<IReadOnlyList<(PeerId Peer, ContentRecord Record)>> LocateAsync(Digest digest, CancellationToken cancellationToken)
    {
        using var limit = new Deadline(time, QuestionTime, cancellationToken, _stopping.Token);
        PeerId[] peers = Peers();
        ResolveQuestion[] question = [new(digest, 0)];
        ResolveAnswer?[] answers = await Task.WhenAll(peers.Select(p => AnswerOfAsync(p, question, limit.Token)));
        cancellationToken.ThrowIfCancellationRequested();
        return
        [
            .. peers.Zip(answers)
                .SelectMany(x => (x.Second?.Contents ?? []).Where(c => IsPlausible(c.Record)).Select(c => (x.First, c.Record))),
        ];
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        await _background.WhenAllAsync();
    }

    private PeerId[] Peers() =>
        [.. host.Peers.Where(ResolveService.IsSpokenBy).Select(p => p.Peer).Distinct()];

    private IEnumerable<(PeerId Peer, ContentRecord Record)> UsableAnswers(Resolution resolution, bool withFailed)
    {
        DateTimeOffset now = time.GetUtcNow();
        foreach ((PeerId peer, ContentRecord record) in resolution.Answers)
        {
            if (withFailed || !_failed.Contains(peer, resolution.Digest, now))
            {
                yield return (peer, record);
            }
        }
    }

    private Resolution? Find(Digest digest) => _resolutions.GetValueOrDefault(digest)?.Value;

    /// <summary>Adds a new resolution in the place of an older one. Over the bound, the one asked for first is removed.</summary>
    private Resolution Add(Digest digest)
    {
        Remove(digest);
        if (_order.Count == MaxResolutions)
        {
            RemoveOne();
        }

        var resolution = new Resolution(digest, time.GetTimestamp());
        _resolutions.Add(digest, _order.AddLast(resolution));
        Debug.Assert(_order.Count == _resolutions.Count, "each resolution has one place in the order");
        return resolution;
    }

    /// <summary>Removes the oldest resolution that is of no use any more, or else the oldest.</summary>
    private void RemoveOne()
    {
        Debug.Assert(_order.First is not null, "there is one to remove");
        Resolution oldest = _order.First.Value;
        for (LinkedListNode<Resolution>? node = _order.First; node is not null; node = node.Next)
        {
            if (!IsFresh(node.Value))
            {
                oldest = node.Value;
                break;
            }
        }

        Remove(oldest.Digest);
    }

    private void Remove(Digest digest)
    {
        if (_resolutions.Remove(digest, out LinkedListNode<Resolution>? node))
        {
            _order.Remove(node);
        }
    }

    /// <summary>
    /// True while answers are awaited, for a moment after the question, and while a peer that has the content is connected.
    /// </summary>
    private bool IsFresh(Resolution resolution)
    {
        return !resolution.Decided.IsCompleted
            || time.GetElapsedTime(resolution.Asked) < NegativeTime
            || UsableAnswers(resolution, withFailed: false)
                .Where(a => a.Record.Complete)
                .Select(a => a.Peer)
                .Intersect(host.Peers.Select(p => p.Peer))
                .Any();
    }

    private async Task AskPeerAsync(PeerId peer, IReadOnlyCollection<Resolution> resolutions, bool waitedFor)
    {
        using var limit = new Deadline(time, QuestionTime, _stopping.Token);
        ResolveQuestion[] questions = [.. resolutions.Select(r => new ResolveQuestion(r.Digest, 0))];
        ResolveAnswer? answer = await AnswerOfAsync(peer, questions, limit.Token);
        var said = (answer?.Contents ?? []).Where(c => IsPlausible(c.Record)).ToDictionary(c => c.Record.Digest);
        if (answer is not null)
        {
            var growing = answer.Growing.ToDictionary(g => g.Digest);
            foreach (Resolution resolution in resolutions)
            {
                resolution.SetGrowing(peer, growing.GetValueOrDefault(resolution.Digest));
                if (!said.ContainsKey(resolution.Digest))
                {
                    resolution.Remove(peer);
                }
            }
        }

        await Task.WhenAll(resolutions.Select(r => TakeAsync(peer, r, said.GetValueOrDefault(r.Digest), waitedFor, limit.Token)));
    }

    private async Task TakeAsync(
        PeerId peer, Resolution resolution, ResolvedContent? content, bool waitedFor, CancellationToken cancellationToken)
    {
        if (content is not null)
        {
            if (resolution.IsSound(content.Record) || await IsRootSoundAsync(peer, content, cancellationToken))
            {
                resolution.Add(peer, content.Record);
            }
        }

        if (waitedFor)
        {
            resolution.Done();
        }
    }

    /// <summary>A peer's answer; null when it gives none.</summary>
    private async Task<ResolveAnswer?> AnswerOfAsync(
        PeerId peer, IReadOnlyList<ResolveQuestion> questions, CancellationToken cancellationToken)
    {
        try
        {
            return await resolve.AskAsync(peer, questions, cancellationToken);
        }
        catch (Exception e)
        {
            // A failure of one peer, of whatever kind, does not affect the other peers' answers.
            LogNoAnswer(peer, questions[0].Digest, e.Message);
            return null;
        }
    }

    /// <summary>True when a record can be right: a dag's root is its digest, and so is a small blob's raw block.</summary>
    private static bool IsPlausible(ContentRecord record) =>
        record.Root.Hash.Code == Multihash.Sha2_256
        && (record.Kind == ContentKind.Dag
            ? record.Root.Codec == Multicodec.DagPb && record.Root.Hash == record.Digest.Hash
            : record.Root.Codec is Multicodec.DagPb or Multicodec.Raw);

    /// <summary>
    /// Checks a peer's record against the root block, which small contents bring along: Info promises a size, and a peer's word does not
    /// suffice for that.
    /// </summary>
    private async Task<bool> IsRootSoundAsync(PeerId peer, ResolvedContent content, CancellationToken cancellationToken)
    {
        ContentRecord record = content.Record;
        try
        {
            bool sound;
            if (!content.RootBlock.IsEmpty || record is { Size: 0, Root.Codec: Multicodec.Raw })
            {
                sound = IsRootOf(record, content.RootBlock.Span);
                if (sound && !record.Complete)
                {
                    // Before the answer: the other blocks may be unavailable, and then the root block is needed.
                    blocks.Put(record.Root.Hash, content.RootBlock.Span);
                }
                else if (sound)
                {
                    // After the answer: the callers that wait for it do not need the block.
                    _background.Add(Task.Run(() => blocks.Put(record.Root.Hash, content.RootBlock.Span), CancellationToken.None));
                }
            }
            else
            {
                await using BitswapSession session = bitswap.CreateSession([peer]);
                using IMemoryOwner<byte> root = await session.GetAsync(record.Root, urgent: true, cancellationToken);
                sound = IsRootOf(record, root.Memory.Span);
            }

            if (!sound)
            {
                LogFalseRecord(peer, record.Digest);
            }

            return sound;
        }
        catch (Exception e)
        {
            LogNoAnswer(peer, record.Digest, e.Message);
            return false;
        }
    }

    private static bool IsRootOf(ContentRecord record, ReadOnlySpan<byte> block) => record.Root.Codec == Multicodec.Raw
        ? block.Length == record.Size
            && record.Root.Hash == Multihash.Sha256(block)
            && (record.Digest.Hash.Code != Multihash.Sha2_256 || record.Root.Hash == record.Digest.Hash)
        : DagFile.TryReadRoot(block, out long size) && size == record.Size;

    [LoggerMessage(Level = LogLevel.Debug, Message = "{Peer} gave no answer for {Digest}: {Reason}")]
    private partial void LogNoAnswer(PeerId peer, Digest digest, string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "the resolve record of {Peer} for {Digest} contradicts the root block")]
    private partial void LogFalseRecord(PeerId peer, Digest digest);
}
