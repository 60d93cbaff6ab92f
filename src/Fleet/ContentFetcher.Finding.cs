using System.Diagnostics;
using Ipcs.Bitswap;
using Ipcs.Bitswap.Client;
using Ipcs.Blockstore;
using Ipcs.Libp2p;
using Ipcs.Multiformats;
using Microsoft.Extensions.Logging;

namespace Ipcs.Fleet;

/// <summary>Finds which peers have a digest: for containerd within a time budget, for commands without one.</summary>
public sealed partial class ContentFetcher
{
    /// <summary>The maximum number of digests looked up ahead in one call: no image names more.</summary>
    private const int MaxLookAhead = 1024;

    /// <summary>
    /// The maximum number of look-ups ahead under way. Over that a digest is not looked up ahead in the DHT; an Info for it asks the
    /// connected peers only.
    /// </summary>
    private const int MaxLookAheads = 4096;

    /// <summary>How long providers from the DHT have to send a root block that no other peer has.</summary>
    private static readonly TimeSpan RootTime = TimeSpan.FromSeconds(2);

    // Under the lock.
    private readonly Dictionary<Digest, (long Since, Task Look)> _lookAheads = [];

    /// <summary>
    /// Asks the connected peers for a content that is not stored. Null when none of them has it completely, or when the budget of an Info
    /// is used up. Calls for one digest share one question, and a negative answer is remembered for a moment. Throws only when it is
    /// cancelled.
    /// </summary>
    public async ValueTask<ContentRecord?> FindAsync(Digest digest, CancellationToken cancellationToken)
    {
        // A single block without a record may be a piece of an ingest: it is a content only once it has been committed.
        if (_local.Peek(digest) is { Kind: ContentKind.Dag } && await FindLocalAsync(digest, cancellationToken) is { } local)
        {
            return local with { Owned = false };
        }

        long start = _time.GetTimestamp();
        (bool answered, ContentRecord? found) = await AskConnectedAsync(digest, cancellationToken);
        if (answered && found is null && LookAheadOf(digest) is var (since, look))
        {
            // The DHT is being asked since a manifest named the digest. All contents of the manifest share one budget.
            TimeSpan left = _budget - _time.GetElapsedTime(since);
            await Task.WhenAny(look, Task.Delay(left > TimeSpan.Zero ? left : TimeSpan.Zero, _time, cancellationToken));
            cancellationToken.ThrowIfCancellationRequested();
            Task<ContentRecord?> again = _locator.Ask(digest).Decided;
            found = again.IsCompleted ? await again : null;
        }

        FleetMeter.Info(!answered ? "late" : found is null ? "absent" : "found", _time.GetElapsedTime(start));
        if (!answered)
        {
            LogTooLate(digest, _budget.TotalMilliseconds);
        }

        return found;
    }

    /// <summary>The connected peers that have a digest, each with its record. Providers from the DHT are connected to first.</summary>
    public async Task<IReadOnlyList<(PeerId Peer, ContentRecord Record)>> LocateAsync(Digest digest, CancellationToken cancellationToken)
    {
        await _search.SearchAsync(digest.Hash).WaitAsync(cancellationToken);
        return await _locator.LocateAsync(digest, cancellationToken);
    }

    /// <summary>
    /// Finds a content as Info does, and then without a time budget among the providers from the DHT, which are connected to first. When
    /// the digest is a root's, no peer needs to have the content completely: the root block gives its size, and is stored when this
    /// returns.
    /// </summary>
    public async Task<ContentRecord?> SearchAsync(Digest digest, CancellationToken cancellationToken)
    {
        if ((await _local.FindAsync(digest, cancellationToken)
            ?? (await AskConnectedAsync(digest, cancellationToken)).Found
            ?? _local.Peek(digest)) is { } known)
        {
            return known with { Owned = false };
        }

        using var over = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        Task<ContentRecord?> whole = DecideAsync(digest);
        _background.Add(whole);
        Task<ContentRecord?> root = FindRootAsync(digest, over.Token);
        try
        {
            if (await Task.WhenAny(whole.WaitAsync(cancellationToken), root) == root)
            {
                return await root ?? await whole.WaitAsync(cancellationToken);
            }

            using var limit = new CancellationTokenSource(RootTime, _time);
            using CancellationTokenRegistration end = limit.Token.Register(over.Cancel);
            return await whole.WaitAsync(cancellationToken) ?? await root;
        }
        finally
        {
            await over.CancelAsync();
            await root;
        }
    }

    /// <summary>True when a connected peer is known to have a content completely.</summary>
    public bool Knows(Digest digest) => _locator.CompleteProviders(digest).Length > 0;

    /// <summary>Asks the peers for contents that containerd will ask for soon.</summary>
    public void LookAhead(IReadOnlyList<Digest> digests)
    {
        Digest[] missing = [.. digests.Distinct().Take(MaxLookAhead).Where(d => _store.Contents.Get(d) is not { Complete: true })];
        if (missing.Length == 0 || _stopping.IsCancellationRequested)
        {
            return;
        }

        _locator.Ask(missing);
        lock (_lock)
        {
            foreach (Digest digest in missing)
            {
                if (_lookAheads.Count < MaxLookAheads && !_lookAheads.ContainsKey(digest))
                {
                    Task look = Task.Run(() => LookAheadAsync(digest));
                    _lookAheads.Add(digest, (_time.GetTimestamp(), look));
                    _background.Add(look);
                }
            }

            Debug.Assert(_lookAheads.Count <= MaxLookAheads, "look-ups ahead are bounded");
        }
    }

    private (long Since, Task Look)? LookAheadOf(Digest digest)
    {
        lock (_lock)
        {
            return _lookAheads.TryGetValue(digest, out (long Since, Task Look) lookAhead) ? lookAhead : null;
        }
    }

    /// <summary>Returns the answer of the connected peers, or when it is negative, of the providers from the DHT.</summary>
    private async Task<ContentRecord?> DecideAsync(Digest digest)
    {
        if (await _locator.Ask(digest).Decided is { } found)
        {
            return found;
        }

        if (!await _search.SearchAsync(digest.Hash))
        {
            return null;
        }

        await _locator.AskAgainAsync([digest]);
        return await _locator.Ask(digest).Decided;
    }

    private async Task LookAheadAsync(Digest digest)
    {
        try
        {
            await DecideAsync(digest);
        }
        finally
        {
            lock (_lock)
            {
                _lookAheads.Remove(digest);
            }
        }
    }

    /// <summary>The content when it is stored completely without a record. Waits for the walk of its DAG, within the budget.</summary>
    private async ValueTask<ContentRecord?> FindLocalAsync(Digest digest, CancellationToken cancellationToken)
    {
        using var limit = new Deadline(_time, _budget, cancellationToken);
        try
        {
            return await _local.FindAsync(digest, limit.Token) is { Complete: true, Kind: ContentKind.Dag } local ? local : null;
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return null;
        }
    }

    /// <summary>Returns the answer of the connected peers within the budget.</summary>
    private async ValueTask<(bool Answered, ContentRecord? Found)> AskConnectedAsync(Digest digest, CancellationToken cancellationToken)
    {
        Task<ContentRecord?> decided = _locator.Ask(digest).Decided;
        if (!decided.IsCompleted)
        {
            // Without an exception when the budget is used up, which would cost more than the answer. A late answer serves the next call.
            await Task.WhenAny(decided, Task.Delay(_budget, _time, cancellationToken));
            cancellationToken.ThrowIfCancellationRequested();
        }

        return decided.IsCompleted ? (true, await decided) : (false, null);
    }

    /// <summary>The record that a digest's own block gives, fetched by Bitswap from any peer; null when none sends it in time.</summary>
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
            return _local.Peek(digest);
        }
        catch (Exception e) when (e is BlockUnavailableException or OperationCanceledException)
        {
            return null;
        }
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "no peer has answered for {Digest} within {Budget} ms")]
    private partial void LogTooLate(Digest digest, double budget);
}
