using System.Diagnostics;
using Ipcs.Bitswap;
using Ipcs.Bitswap.Client;
using Ipcs.Blockstore;
using Ipcs.Dag;
using Ipcs.Dag.Import;
using Ipcs.Fleet.Growing;
using Ipcs.Fleet.Resolve;
using Ipcs.Libp2p;
using Ipcs.Multiformats;
using Microsoft.Extensions.Logging;

namespace Ipcs.Fleet;

/// <summary>
/// The fetch of one content from the fleet: every root that peers claim for the digest is tried, first that with the most peers, then the
/// others a few at a time, until the bytes under one have the digest. In the first pass a root is given up when its peers send less than a
/// fair rate for <see cref="FairTime"/>. When somebody waits patiently, a second pass tries all roots again, and waits as long as blocks
/// come at any rate. When no root is left, the chunks are fetched from peers that are getting the content themselves. Only a verified
/// content gets into the index.
/// </summary>
internal sealed partial class ContentFetch(FetchServices services, Digest digest, TimeSpan findTime)
{
    /// <summary>Up to this size, in bytes, a fetch does not wait for a slot: everything else waits for manifests and configs.</summary>
    private const int SmallSize = 1 << 20;

    /// <summary>Roots tried in one pass: honest peers have one or two. With liars only, a pass ends within 18 s.</summary>
    private const int MaxRoots = 64;

    /// <summary>Roots tried at a time, after the first one has failed.</summary>
    private const int MaxAtOnce = 8;

    /// <summary>How long the peers of a root may send less than a fair rate in the first pass.</summary>
    private static readonly TimeSpan FairTime = TimeSpan.FromSeconds(2);

    /// <summary>How long a growing content may grow by less than a fair rate while somebody waits patiently.</summary>
    private static readonly TimeSpan PatientTime = TimeSpan.FromSeconds(20);

    private readonly TaskCompletionSource<ContentRecord?> _firstPass = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly ILogger _logger = services.Logger;
    private readonly TimeProvider _time = services.Time;
    private readonly Lock _lock = new();

    // Replaced as a whole under the lock.
    private volatile RootFetch[] _current = [];
    private volatile bool _withFailed;

    /// <summary>The digest of the content.</summary>
    public Digest Digest => digest;

    /// <summary>
    /// Completes with the verified content, or with null when the first pass has ended without one. Fails only when the fetch is stopped.
    /// </summary>
    public Task<ContentRecord?> FirstPass => _firstPass.Task;

    /// <summary>The record of a root that is being fetched, which is not verified; null between two roots.</summary>
    public ContentRecord? Claimed => _current is [var first, ..] ? first.Record : null;

    /// <summary>Raised with the number of bytes verified so far.</summary>
    public event Action<long>? Progressed;

    /// <summary>Fetches the content.</summary>
    /// <param name="slot">Held while a large content is fetched in the first pass.</param>
    /// <param name="patientSlot">The same for the second pass.</param>
    /// <param name="growingSlot">
    /// Held while a content is fetched from peers that are getting it themselves; without one free it is not.
    /// </param>
    /// <param name="goesOn">Called once after a first pass without a result; true when somebody waits for a second pass.</param>
    /// <param name="cancellationToken">Stops the fetch.</param>
    /// <exception cref="ContentUnavailableException">No source is left; the message names the digest and the sources tried.</exception>
    public async Task<ContentRecord> RunAsync(
        SemaphoreSlim slot, SemaphoreSlim patientSlot, SemaphoreSlim growingSlot, Func<bool> goesOn, CancellationToken cancellationToken)
    {
        using Activity? span = IpcsActivity.Source.StartActivity("fetch");
        span?.SetTag("digest", digest.ToString());
        try
        {
            await FindAsync(cancellationToken);
            (ContentRecord? content, Exception? failure) = await PassAsync(slot, growingSlot, FairTime, cancellationToken);
            _firstPass.TrySetResult(content);
            if (content is null && goesOn())
            {
                (content, failure) = await PassAsync(patientSlot, growingSlot, null, cancellationToken);
            }

            span?.SetTag("size", content?.Size ?? 0);
            return content ?? throw Unavailable(failure);
        }
        catch (Exception e)
        {
            span?.SetStatus(ActivityStatusCode.Error, e.Message);
            if (e is OperationCanceledException)
            {
                _firstPass.TrySetCanceled(CancellationToken.None);
            }

            // Nothing that went wrong here is the registry's fault, which serves the content next.
            _firstPass.TrySetResult(null);
            throw;
        }
    }

    /// <summary>Where the roots that are being fetched come from.</summary>
    public IEnumerable<FetchSources> Sources => _current.Select(f => f.Sources);

    /// <summary>A peer is fetching the content too.</summary>
    public void AddLeecher(PeerId peer) => Array.ForEach(_current, f => f.Sources.Add(peer, PeerAvailability.Partial));

    /// <summary>
    /// Asks the connected peers, and the providers from the DHT when none of them has the content, for <c>findTime</c> at most.
    /// </summary>
    private async Task FindAsync(CancellationToken cancellationToken)
    {
        if (services.Local.Peek(digest) is { Complete: true })
        {
            return;
        }

        using var limit = new Deadline(_time, findTime, cancellationToken);
        try
        {
            await services.Locator.Ask(digest).Decided.WaitAsync(limit.Token);
            if (services.Locator.Best(digest) is null && await services.Search.SearchAsync(digest.Hash).WaitAsync(limit.Token))
            {
                await services.Locator.AskAgainAsync([digest]).WaitAsync(limit.Token);
            }
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            if (services.Locator.Best(digest) is null)
            {
                LogTooLate(digest, findTime.TotalMilliseconds);
            }
        }
    }

    /// <summary>Tries each root once. Returns the verified content, or else why the last root failed.</summary>
    private async Task<(ContentRecord? Content, Exception? Failure)> PassAsync(
        SemaphoreSlim slot, SemaphoreSlim growingSlot, TimeSpan? patience, CancellationToken cancellationToken)
    {
        // By CIDs of version 1: peers may name the root of a converted content by either version.
        var tried = new HashSet<Cid>();
        (ContentRecord? content, Exception? failure) = await TryRootsAsync(tried, slot, patience, cancellationToken);
        if (content is not null
            || services.GrowersOf(digest) is not { Count: > 0 } growing
            || !growingSlot.Wait(0, cancellationToken))
        {
            return (content, failure);
        }

        try
        {
            (content, failure) = await TryGrowingAsync(growing, patience ?? PatientTime, cancellationToken);
        }
        finally
        {
            growingSlot.Release();
        }

        if (content is null)
        {
            // The peers may have the whole by now.
            await Task.WhenAny(services.Locator.AskAgainAsync([digest]), Task.Delay(findTime, _time, cancellationToken));
            (content, _) = await TryRootsAsync(tried, slot, patience, cancellationToken);
        }

        return (content, failure);
    }

    private async Task<(ContentRecord? Content, Exception? Failure)> TryRootsAsync(
        HashSet<Cid> tried, SemaphoreSlim slot, TimeSpan? patience, CancellationToken cancellationToken)
    {
        bool hasSlot = false;
        Exception? failure = null;

        // Peers that failed lately are asked again only by those who have the patience.
        _withFailed = patience is null;
        try
        {
            while (tried.Count < MaxRoots && NextCandidates(tried, tried.Count == 0 ? 1 : MaxAtOnce) is { Count: > 0 } candidates)
            {
                tried.UnionWith(candidates.Select(c => c.Root.ToV1()));
                if (!hasSlot && candidates.Any(c => c.Size > SmallSize))
                {
                    await slot.WaitAsync(cancellationToken);
                    hasSlot = true;
                }

                (ContentRecord? content, failure) = await TryAsync(candidates, patience, cancellationToken);
                if (content is not null)
                {
                    return (content, null);
                }
            }

            return (null, failure);
        }
        finally
        {
            if (hasSlot)
            {
                slot.Release();
            }
        }
    }

    /// <summary>Fetches the content from peers that are getting it. Returns the verified content, or else why that failed.</summary>
    private async Task<(ContentRecord? Content, Exception? Failure)> TryGrowingAsync(
        IReadOnlyList<(PeerId Peer, GrowingPart Part)> growing, TimeSpan stallTime, CancellationToken cancellationToken)
    {
        long size = growing.CountBy(g => g.Part.Size).MaxBy(c => c.Value).Key, started = _time.GetTimestamp();

        // The root, which could be protected, is known at the end only.
        using GcLease lease = services.Store.LeaseTouched();
        using GrowingContent? own = services.Growing.Begin(digest, size);
        await using var fetch = new GrowingFetch(services, digest, size, stallTime, own, bytes => Progressed?.Invoke(bytes));
        try
        {
            DagRoot root = await fetch.RunAsync(cancellationToken);
            var fetched = new ContentRecord { Digest = digest, Kind = ContentKind.Blob, Root = root.Root, Size = size };
            ContentRecord content = Complete(fetched, size);
            own?.Complete();
            TimeSpan took = _time.GetElapsedTime(started);
            FleetMeter.Fetched(size, took);
            LogFetchedGrowing(digest, size, fetch.Peers.Count, took.TotalMilliseconds);
            return (content, null);
        }
        catch (Exception e) when (e is BlockNotFoundException or FalseContentException or GrowthEndedException)
        {
            LogGrowingFailed(digest, e.Message);
            if (e is not GrowthEndedException { IsStalled: false })
            {
                services.Locator.GrowingFailed(digest, fetch.Peers, areFalse: e is FalseContentException);
            }

            return (null, e);
        }
    }

    /// <summary>Tries some roots at once. Returns the first verified content, or else why a root failed.</summary>
    private async Task<(ContentRecord? Content, Exception? Failure)> TryAsync(
        IReadOnlyList<ContentRecord> candidates, TimeSpan? patience, CancellationToken cancellationToken)
    {
        using var over = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        List<Task<ContentRecord>> running = [.. candidates.Select(c => FetchAsync(c, patience, over.Token))];
        try
        {
            Exception? failure = null;
            while (running.Count > 0)
            {
                Task<ContentRecord> first = await Task.WhenAny(running);
                running.Remove(first);
                try
                {
                    return (await first, null);
                }
                catch (Exception e) when (e is BlockNotFoundException or DagFormatException or FalseContentException)
                {
                    failure = e;
                }
            }

            return (null, failure);
        }
        finally
        {
            await over.CancelAsync();
            await ((Task)Task.WhenAll(running)).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    /// <summary>The next roots to try: what is stored under the digest, or else what peers claim. None when all were tried.</summary>
    private IReadOnlyList<ContentRecord> NextCandidates(HashSet<Cid> tried, int count)
    {
        // A root block alone says nothing of the blocks below it: in the first pass it counts only with a record.
        if (services.Local.Peek(digest) is { } local
            && (local.Complete || _withFailed || services.Store.Contents.Get(digest) is not null)
            && !tried.Contains(local.Root.ToV1()))
        {
            return [local];
        }

        IEnumerable<ContentRecord> untried = services.Locator.Candidates(digest, _withFailed).Where(c => !tried.Contains(c.Root.ToV1()));
        return [.. untried.DistinctBy(c => c.Root.ToV1()).Take(count)];
    }

    private async Task<ContentRecord> FetchAsync(ContentRecord candidate, TimeSpan? patience, CancellationToken cancellationToken)
    {
        using GcLease lease = services.Store.LeaseDag(candidate.Root);
        if (services.Store.Contents.Get(digest) is { Complete: true } there)
        {
            return there;
        }

        long started = _time.GetTimestamp();
        await using var fetch = new RootFetch(services, candidate, patience, _withFailed, bytes => Progressed?.Invoke(bytes));
        using var over = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        ChangeCurrent(current => [.. current, fetch]);
        Task finding = fetch.Sources.KeepFindingAsync(over.Token);
        IReadOnlyList<PeerId> failed = [];
        try
        {
            long length = await fetch.RunAsync(cancellationToken);
            failed = fetch.UnfairPeers;
            ContentRecord content = Complete(candidate, length);
            TimeSpan took = _time.GetElapsedTime(started);
            FleetMeter.Fetched(length, took);
            LogFetched(digest, length, fetch.Sources.Peers.Length, took.TotalMilliseconds);
            foreach (PeerId source in fetch.Sources.Peers.Except(failed))
            {
                services.Locator.Sent(source);
            }

            return content;
        }
        catch (FalseContentException e)
        {
            LogRootFailed(digest, candidate.Root, e.Message);
            foreach (PeerId liar in fetch.Sources.Claimants)
            {
                services.Locator.Forget(digest, liar);
                await services.Bitswap.BanAsync(liar, e.Message);
            }

            throw;
        }
        catch (Exception e) when (e is BlockNotFoundException or DagFormatException)
        {
            LogRootFailed(digest, candidate.Root, e.Message);

            // A DAG is malformed for all: whoever has the content completely has read it.
            failed = e is DagFormatException
                ? fetch.Sources.Claimants
                : [.. (e.InnerException as BlockUnavailableException)?.Peers ?? [], .. fetch.UnfairPeers];
            throw;
        }
        finally
        {
            ChangeCurrent(current => [.. current.Where(f => f != fetch)]);
            await over.CancelAsync();
            await finding;
            services.Background.Add(BlameAsync([.. failed.Distinct().Intersect(fetch.Sources.Claimants)]));
        }
    }

    /// <summary>Records the verified content, with the facts of its bytes: the candidate's may be a peer's word.</summary>
    private ContentRecord Complete(ContentRecord candidate, long length)
    {
        DateTimeOffset now = _time.GetUtcNow();
        return services.Catalog.Change(digest, current => current switch
        {
            { Complete: true } => current,
            null => new ContentRecord
            {
                Digest = digest,
                Kind = candidate.Kind,
                Root = candidate.Root,
                Size = length,
                Complete = true,
                CreatedAt = now,
                UpdatedAt = now,
            },
            _ => current with
            {
                Kind = candidate.Kind, Root = candidate.Root, Size = length, Profile = "", Complete = true, UpdatedAt = now,
            },
        })!;
    }

    private void ChangeCurrent(Func<RootFetch[], RootFetch[]> change)
    {
        lock (_lock)
        {
            _current = change(_current);
        }
    }

    private async Task BlameAsync(PeerId[] peers)
    {
        foreach (PeerId peer in await services.Locator.FailedAsync(digest, peers))
        {
            await services.Bitswap.BanAsync(peer, "it claims contents that it does not send");
        }
    }

    private ContentUnavailableException Unavailable(Exception? failure)
    {
        PeerId[] peers = [.. services.Locator.Claims(digest, withFailed: true).Where(c => c.Record.Complete).Select(c => c.Peer)];
        string source = peers.Length == 0 ? "any connected peer" : string.Join(", ", peers);
        return new ContentUnavailableException(
            $"{digest} could not be fetched from {source}: {failure?.Message ?? "nobody has it"}", failure);
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "no peer has answered for {Digest} within {Time} ms")]
    private partial void LogTooLate(Digest digest, double time);

    [LoggerMessage(Level = LogLevel.Information, Message = "{Digest} could not be fetched under the root {Root}: {Reason}")]
    private partial void LogRootFailed(Digest digest, Cid root, string reason);

    [LoggerMessage(Level = LogLevel.Information, Message = "{Digest} could not be fetched from peers that are getting it: {Reason}")]
    private partial void LogGrowingFailed(Digest digest, string reason);

    [LoggerMessage(
        Level = LogLevel.Information,
        Message = "fetched {Digest}: {Bytes} bytes from {Peers} peers that were getting it, in {Milliseconds:F0} ms")]
    private partial void LogFetchedGrowing(Digest digest, long bytes, int peers, double milliseconds);

    [LoggerMessage(Level = LogLevel.Information, Message = "fetched {Digest}: {Bytes} bytes from {Peers} peers in {Milliseconds:F0} ms")]
    private partial void LogFetched(Digest digest, long bytes, int peers, double milliseconds);
}
