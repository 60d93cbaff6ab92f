using System.Buffers;
using System.Collections.Concurrent;
using Ipcs.Bitswap.Client;
using Ipcs.Bitswap.Exchange;
using Ipcs.Blockstore;
using Ipcs.Dag.Read;
using Ipcs.Fleet.Resolve;
using Ipcs.Multiformats;
using Microsoft.Extensions.Logging;
using IHost = Ipcs.Libp2p.IHost;

namespace Ipcs.Fleet.Locating;

/// <summary>
/// Who of the connected peers has which digest. Asks each peer for many digests in one question, once per digest however many want to
/// know, and remembers the answers for a while. Owns that memory, which is bounded.
/// </summary>
internal sealed partial class ContentLocator(
    IHost host, IBlockstore blocks, BitswapService bitswap, ResolveService resolve, TimeProvider time, ILogger logger, CancellationToken stopping)
{
    /// <summary>How long "nobody has it" is remembered: containerd repeats its Info within a pull, a new owner appears seldom.</summary>
    private static readonly TimeSpan NegativeTime = TimeSpan.FromSeconds(1);

    /// <summary>How long one question to a peer may take in all; Info itself waits only for its budget.</summary>
    private static readonly TimeSpan QuestionTime = TimeSpan.FromSeconds(5);

    /// <summary>Answers remembered at once: a pull of a large index asks for some hundreds.</summary>
    private const int MaxAnswers = 4096;

    private readonly ConcurrentDictionary<Digest, Resolution> _answers = new();

    /// <summary>What is known of a digest, asked now unless it is known or being asked.</summary>
    public Resolution Ask(Digest digest)
    {
        if (_answers.TryGetValue(digest, out Resolution? known) && IsFresh(known))
        {
            return known;
        }

        Ask([digest]);
        return _answers.GetValueOrDefault(digest) ?? new Resolution(digest, time.GetTimestamp());
    }

    /// <summary>Asks for all those that are not known and not being asked for, in one question per peer.</summary>
    public void Ask(IReadOnlyCollection<Digest> digests)
    {
        var fresh = new List<Resolution>();
        foreach (Digest digest in digests)
        {
            if (_answers.TryGetValue(digest, out Resolution? known) && IsFresh(known))
            {
                continue;
            }

            var answer = new Resolution(digest, time.GetTimestamp());
            if (known is null ? _answers.TryAdd(digest, answer) : _answers.TryUpdate(digest, answer, known))
            {
                fresh.Add(answer);
            }
        }

        if (_answers.Count > MaxAnswers)
        {
            Forget();
        }

        PeerId[] peers = Peers();
        int waitedFor = peers.Count(p => !resolve.Hangs(p));
        fresh.ForEach(a => a.Expect(waitedFor));
        foreach (Resolution[] part in fresh.Chunk(ResolveService.MaxDigests))
        {
            foreach (PeerId peer in peers)
            {
                _ = AskPeerAsync(peer, part, waitedFor: !resolve.Hangs(peer));
            }
        }
    }

    /// <summary>Asks all connected peers anew for what has been asked for before: some have come since, some have more of it now.</summary>
    public Task AskAgainAsync(IReadOnlyCollection<Digest> digests)
    {
        Resolution[] answers = [.. digests.Select(d => _answers.GetOrAdd(d, New)).Take(ResolveService.MaxDigests)];
        return Task.WhenAll(Peers().Select(p => AskPeerAsync(p, answers, waitedFor: false)));

        Resolution New(Digest digest)
        {
            var answer = new Resolution(digest, time.GetTimestamp());
            answer.Expect(0);
            return answer;
        }
    }

    /// <summary>The peers that are known to have a digest or a part of it, and which of the two.</summary>
    public IReadOnlyList<(PeerId Peer, PeerAvailability Availability)> Providers(Digest digest) => _answers.TryGetValue(digest, out Resolution? answer)
        ? [.. answer.Providers.Select(h => (h.Key, h.Value ? PeerAvailability.Complete : PeerAvailability.Partial))]
        : [];

    /// <summary>The peers that say that they have the whole.</summary>
    public PeerId[] CompleteProviders(Digest digest) => _answers.TryGetValue(digest, out Resolution? answer) ? answer.CompleteProviders : [];

    /// <summary>Forgets what was said of a digest.</summary>
    public void Forget(Digest digest) => _answers.TryRemove(digest, out _);

    /// <summary>The connected peers that have a digest, each with its record. Waits for all answers, at most the question's time.</summary>
    public async Task<IReadOnlyList<(PeerId Peer, ContentRecord Record)>> LocateAsync(Digest digest, CancellationToken cancellationToken)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, stopping);
        limit.CancelAfter(QuestionTime);
        PeerId[] peers = Peers();
        IReadOnlyList<ResolvedContent>[] answers = await Task.WhenAll(peers.Select(p => AnswersOfAsync(p, [digest], limit.Token)));
        cancellationToken.ThrowIfCancellationRequested();
        return [.. peers.Zip(answers).SelectMany(x => x.Second.Where(c => IsPlausible(c.Record)).Select(c => (x.First, c.Record)))];
    }

    private PeerId[] Peers() =>
        [.. host.Peers.Where(p => p.Protocols.Contains(ResolveService.Protocol)).Select(p => p.Peer).Distinct()];

    private bool IsFresh(Resolution answer)
    {
        Task<ContentRecord?> decided = answer.Decided;
        if (!decided.IsCompleted)
        {
            return true;
        }

        // A positive answer holds as long as a peer that gave it is connected, a negative one for a moment.
        return decided.Result is null
            ? time.GetElapsedTime(answer.Asked) < NegativeTime
            : answer.CompleteProviders.Intersect(host.Peers.Select(p => p.Peer)).Any();
    }

    /// <summary>Makes room: negative answers first, then the oldest.</summary>
    private void Forget()
    {
        foreach ((Digest digest, Resolution answer) in _answers)
        {
            if (!IsFresh(answer))
            {
                _answers.TryRemove(digest, out _);
            }
        }

        foreach ((Digest digest, _) in _answers.OrderBy(a => a.Value.Asked).Take(_answers.Count - MaxAnswers).ToArray())
        {
            _answers.TryRemove(digest, out _);
        }
    }

    private async Task AskPeerAsync(PeerId peer, IReadOnlyCollection<Resolution> answers, bool waitedFor)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(stopping);
        limit.CancelAfter(QuestionTime);
        IReadOnlyList<ResolvedContent> contents = await AnswersOfAsync(peer, [.. answers.Select(a => a.Digest)], limit.Token);
        var said = contents.Where(c => IsPlausible(c.Record)).ToDictionary(c => c.Record.Digest);
        await Task.WhenAll(answers.Select(answer => TakeAsync(peer, answer, said.GetValueOrDefault(answer.Digest), waitedFor, limit.Token)));
    }

    private async Task TakeAsync(PeerId peer, Resolution answer, ResolvedContent? content, bool waitedFor, CancellationToken cancellationToken)
    {
        if (content is not null)
        {
            bool known = answer.TryGetRoot(out Cid root) && root == content.Record.Root;
            if (known || await IsRootSoundAsync(peer, content, cancellationToken))
            {
                answer.Add(peer, content.Record);
            }
        }

        if (waitedFor)
        {
            answer.Done();
        }
    }

    private async Task<IReadOnlyList<ResolvedContent>> AnswersOfAsync(PeerId peer, IReadOnlyList<Digest> digests, CancellationToken cancellationToken)
    {
        try
        {
            return await resolve.AskAsync(peer, digests, cancellationToken);
        }
        catch (Exception e)
        {
            // Whatever one peer does wrong, the others' answers count.
            LogNoAnswer(peer, digests[0], e.Message);
            return [];
        }
    }

    /// <summary>What must hold of a record whoever sends it: a dag's root is its digest, a small blob's raw block too.</summary>
    private static bool IsPlausible(ContentRecord record) =>
        record.Root.Hash.Code == Multihash.Sha2_256
        && (record.Kind == ContentKind.Dag
            ? record.Root.Codec == Multicodec.DagPb && record.Root.Hash == record.Digest.Hash
            : record.Root.Codec is Multicodec.DagPb or Multicodec.Raw);

    /// <summary>
    /// Info's answer is a promise of a size, so the root block itself must be here and say the same; a peer's word is not enough.
    /// Small ones have come with the answer.
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
                    // The root is all that is to be had of this peer's answer.
                    blocks.Put(record.Root.Hash, content.RootBlock.Span);
                }
                else if (sound)
                {
                    // Behind the answer: whoever waits for it needs no write.
                    _ = Task.Run(() => blocks.Put(record.Root.Hash, content.RootBlock.Span), CancellationToken.None);
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
        ? block.Length == record.Size && record.Root.Hash == Multihash.Sha256(block) && (record.Digest.Hash.Code != Multihash.Sha2_256 || record.Root.Hash == record.Digest.Hash)
        : DagFile.TryReadRoot(block, out long size) && size == record.Size;

    [LoggerMessage(Level = LogLevel.Debug, Message = "{Peer} gave no answer for {Digest}: {Reason}")]
    private partial void LogNoAnswer(PeerId peer, Digest digest, string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Peer} says of {Digest} what its root block does not")]
    private partial void LogFalseRecord(PeerId peer, Digest digest);
}
