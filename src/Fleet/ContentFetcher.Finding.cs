using System.Collections.Concurrent;
using Ipcs.Bitswap;
using Ipcs.Bitswap.Client;
using Ipcs.Blockstore;
using Ipcs.Multiformats;
using Microsoft.Extensions.Logging;

namespace Ipcs.Fleet;

/// <summary>Who has a digest: for containerd within the budget, for a person's commands however long it takes.</summary>
public sealed partial class ContentFetcher
{
    /// <summary>The most digests asked for ahead in one go: more is no image.</summary>
    private const int MaxLookAhead = 1024;

    /// <summary>How long those whom the DHT has named have to send a root that no other peer has.</summary>
    private static readonly TimeSpan RootTime = TimeSpan.FromSeconds(2);

    private readonly ConcurrentDictionary<Digest, (long Since, Lazy<Task> Look)> _ahead = new();

    /// <summary>
    /// Asks the connected peers for a content that is not here. Null when none of them has the whole of it, or when the time budget of an Info is used up.
    /// Calls for one digest share one question; a negative answer is remembered for a moment. Throws only when it is cancelled.
    /// </summary>
    public async ValueTask<ContentRecord?> FindAsync(Digest digest, CancellationToken cancellationToken)
    {
        // A single block without a record may be a piece of a write: it is no content until somebody has committed it.
        if (_index.Find(digest) is { Complete: true, Kind: ContentKind.Dag } here)
        {
            return here with { Owned = false };
        }

        long start = _time.GetTimestamp();
        (bool answered, ContentRecord? found) = await AskConnectedAsync(digest, cancellationToken);
        if (answered && found is null && _ahead.TryGetValue(digest, out (long Since, Lazy<Task> Look) ahead))
        {
            // The DHT is being asked since a manifest named it. All that it names together cost the budget once.
            TimeSpan left = _budget - _time.GetElapsedTime(ahead.Since);
            await Task.WhenAny(ahead.Look.Value, Task.Delay(left > TimeSpan.Zero ? left : TimeSpan.Zero, _time, cancellationToken));
            cancellationToken.ThrowIfCancellationRequested();
            Task<ContentRecord?> again = _questions.Ask(digest).Decided;
            found = again.IsCompleted ? await again : null;
        }

        FleetMeter.Info(!answered ? "late" : found is null ? "absent" : "found", _time.GetElapsedTime(start));
        if (!answered)
        {
            LogTooLate(digest, _budget.TotalMilliseconds);
        }

        return found;
    }

    /// <summary>
    /// Where in the fleet a digest is: the connected peers that have it, each with its record; providers named by the DHT are connected to first.
    /// </summary>
    public async Task<IReadOnlyList<(PeerId Peer, ContentRecord Record)>> LocateAsync(Digest digest, CancellationToken cancellationToken)
    {
        await _search.SearchAsync(digest.Hash).WaitAsync(cancellationToken);
        return await _questions.LocateAsync(digest, cancellationToken);
    }

    /// <summary>
    /// As Info finds a content, and then however long it takes: with those whom the DHT names, who are connected to first. Nobody need have the whole of it:
    /// where the digest is a root's, that block is enough to know its size, and is here when this returns.
    /// </summary>
    public async Task<ContentRecord?> SearchAsync(Digest digest, CancellationToken cancellationToken)
    {
        if ((_index.Find(digest) ?? (await AskConnectedAsync(digest, cancellationToken)).Found ?? _index.Find(digest)) is { } known)
        {
            return known with { Owned = false };
        }

        using var over = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        Task<ContentRecord?> whole = DecideAsync(digest);
        Task<ContentRecord?> root = FindRootAsync(digest, over.Token);
        try
        {
            if (await Task.WhenAny(whole.WaitAsync(cancellationToken), root) == root)
            {
                return await root ?? await whole.WaitAsync(cancellationToken);
            }

            over.CancelAfter(RootTime);
            return await whole.WaitAsync(cancellationToken) ?? await root;
        }
        finally
        {
            await over.CancelAsync();
            await root;
        }
    }

    /// <summary>True once a connected peer is known to have the whole of a content.</summary>
    public bool Knows(Digest digest) => _questions.CompleteProviders(digest).Length > 0;

    /// <summary>Asks the fleet now for contents that containerd will ask for soon.</summary>
    public void LookAhead(IReadOnlyList<Digest> digests)
    {
        Digest[] missing = [.. digests.Distinct().Take(MaxLookAhead).Where(d => _store.Contents.Get(d) is not { Complete: true })];
        if (missing.Length == 0)
        {
            return;
        }

        _questions.Ask(missing);
        foreach (Digest digest in missing)
        {
            // In the table before it can end; whoever has it there already is as far.
            var look = new Lazy<Task>(() => LookAheadAsync(digest));
            if (_ahead.TryAdd(digest, (_time.GetTimestamp(), look)))
            {
                _ = look.Value;
            }
        }
    }

    /// <summary>What the connected peers say, and when that is no, what those say whom the DHT names.</summary>
    private async Task<ContentRecord?> DecideAsync(Digest digest)
    {
        if (await _questions.Ask(digest).Decided is { } found)
        {
            return found;
        }

        if (!await _search.SearchAsync(digest.Hash))
        {
            return null;
        }

        await _questions.AskAgainAsync([digest]);
        return await _questions.Ask(digest).Decided;
    }

    private async Task LookAheadAsync(Digest digest)
    {
        try
        {
            await DecideAsync(digest);
        }
        finally
        {
            _ahead.TryRemove(digest, out _);
        }
    }

    /// <summary>What the connected peers say within the budget.</summary>
    private async ValueTask<(bool Answered, ContentRecord? Found)> AskConnectedAsync(Digest digest, CancellationToken cancellationToken)
    {
        Task<ContentRecord?> decided = _questions.Ask(digest).Decided;
        if (!decided.IsCompleted)
        {
            // Told by its outcome and not by an exception, which costs more than the answer; what comes later is kept for the next who asks.
            await Task.WhenAny(decided, Task.Delay(_budget, _time, cancellationToken));
            cancellationToken.ThrowIfCancellationRequested();
        }

        return decided.IsCompleted ? (true, await decided) : (false, null);
    }

    /// <summary>The record that a digest's own block gives, had by Bitswap from any peer; null when it is not to be had before <paramref name="over"/>.</summary>
    private async Task<ContentRecord?> FindRootAsync(Digest digest, CancellationToken over)
    {
        if (digest.Hash.Code != Multihash.Sha2_256)
        {
            return null;
        }

        await using BitswapSession session = _bitswap.CreateSession([]);
        try
        {
            (await session.GetAsync(Cid.V0(digest.Hash), urgent: true, over)).Dispose();
            return _index.Find(digest);
        }
        catch (Exception e) when (e is BlockUnavailableException or OperationCanceledException)
        {
            return null;
        }
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "nobody has said within {Budget} ms whether they have {Digest}")]
    private partial void LogTooLate(Digest digest, double budget);
}
