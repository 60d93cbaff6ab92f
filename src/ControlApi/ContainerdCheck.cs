using Ipcs.Blockstore;
using Ipcs.Dag.Gc;
using Ipcs.Dag.Read;
using Ipcs.Multiformats;
using Ipcs.Oci.Containerd;

namespace Ipcs.ControlApi;

/// <summary>Compares what containerd records with what ipcs has for it, and brings the two together.</summary>
/// <param name="containerd">containerd's records.</param>
/// <param name="store">The store.</param>
/// <param name="catalog">Its contents.</param>
/// <param name="search">Finds a content in the fleet; null when no peer has it.</param>
/// <param name="fetch">Fetches a content whose record is stored.</param>
/// <param name="time">The clock.</param>
internal sealed class ContainerdCheck(
    IContainerdRecords containerd,
    IStore store,
    ContentCatalog catalog,
    Func<Digest, CancellationToken, Task<ContentRecord?>> search,
    Func<Digest, CancellationToken, Task> fetch,
    TimeProvider time)
{
    /// <summary>Contents that are fetched at a time: as many large ones as the fetcher works on, so that none waits for its turn.</summary>
    private const int MaxAtATime = 4;

    /// <summary>
    /// How long ago an owned record must have changed last to be a difference when containerd has none. containerd records a content in the
    /// transaction in which ipcs commits it or answers Info: milliseconds later, or up to some minutes on a disk that stalls.
    /// </summary>
    public static readonly TimeSpan SettledAge = TimeSpan.FromMinutes(10);

    /// <summary>How long a fetch may go on without a new block.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private readonly RepoVerifier _verifier = new(store);
    private int _done;
    private int _all;
    private bool _fixing;

    /// <summary>What is being done, as a text.</summary>
    public string Progress => $"{Volatile.Read(ref _done)} of {_all} contents {(_fixing ? "put right" : "checked")}";

    /// <summary>Finds the differences. Reads every block of what containerd records.</summary>
    public async Task<(Recorded Recorded, IReadOnlyList<ContentDifference> Differences)> FindAsync(CancellationToken cancellationToken)
    {
        Recorded recorded = await containerd.ReadAsync(cancellationToken);
        IGrouping<Digest, RecordedContent>[] contents = [.. recorded.Contents.GroupBy(content => content.Digest)];
        List<ContentDifference> differences = [];
        _all = contents.Length;
        await Task.Factory.StartNew(Check, cancellationToken, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        differences.AddRange(await FindUnrecordedAsync(recorded, cancellationToken));
        return (recorded, differences);

        void Check()
        {
            foreach (IGrouping<Digest, RecordedContent> content in contents)
            {
                ContentRecord? here = store.Contents.Get(content.Key);
                if (Fault(here, cancellationToken) is var (problem, reason))
                {
                    differences.Add(new ContentDifference(content.Key, content.First().Size, problem, reason, [.. content], here));
                }

                Interlocked.Increment(ref _done);
            }
        }
    }

    /// <summary>Puts differences right. Returns them, each with what was done or why it could not be.</summary>
    public async Task<IReadOnlyList<ContentDifference>> FixAsync(
        IReadOnlyList<ContentDifference> differences, CancellationToken cancellationToken)
    {
        (_done, _all, _fixing) = (0, differences.Count, true);
        ContentDifference[] recorded = [.. differences.Where(difference => difference.Records.Count > 0)];
        await Parallel.ForAsync(
            0,
            recorded.Length,
            new ParallelOptions { MaxDegreeOfParallelism = MaxAtATime, CancellationToken = cancellationToken },
            async (i, stop) =>
            {
                try
                {
                    recorded[i] = await FixAsync(recorded[i], stop);
                }
                catch (IOException e)
                {
                    // Of containerd or of the disk.
                    recorded[i] = recorded[i] with { Error = e.Message };
                }

                Interlocked.Increment(ref _done);
            });
        ContentDifference[] unrecorded = [.. differences.Where(difference => difference.Records.Count == 0)];
        return [.. recorded, .. unrecorded.Length == 0 ? [] : await ReleaseAsync(unrecorded, cancellationToken)];
    }

    /// <summary>What is wrong with a content that containerd records; null when nothing is.</summary>
    private (string Problem, string Reason)? Fault(ContentRecord? here, CancellationToken cancellationToken)
    {
        if (here is null)
        {
            return ("missing", "ipcs does not have it");
        }

        if (!here.Complete)
        {
            return ("incomplete", "ipcs does not have all of it");
        }

        bool damaged = false;
        string? fault = _verifier.CheckContent(here, _ => damaged = true, cancellationToken);
        return fault is not null ? (damaged ? "damaged" : "incomplete", fault)
            : here.Owned ? null
            : ("unowned", "ipcs has it, but not as containerd's");
    }

    /// <summary>The contents that ipcs keeps for containerd and containerd records nowhere.</summary>
    private async Task<IEnumerable<ContentDifference>> FindUnrecordedAsync(Recorded recorded, CancellationToken cancellationToken)
    {
        HashSet<Digest> known = [.. recorded.Contents.Select(content => content.Digest)];
        ContentRecord[] unrecorded =
            [.. store.Contents.Enumerate().Where(content => IsSettled(content) && !known.Contains(content.Digest))];
        if (unrecorded.Length == 0)
        {
            return [];
        }

        // Those that containerd has recorded since its list was read, which is before the blocks of everything else were.
        known = [.. (await containerd.ReadAsync(cancellationToken)).Contents.Select(content => content.Digest)];
        return unrecorded
            .Where(content => !known.Contains(content.Digest))
            .Select(content => new ContentDifference(
                content.Digest, content.Size, "unrecorded", "ipcs keeps it for containerd, which does not record it", [], content));
    }

    private bool IsSettled(ContentRecord content) => content.Owned && time.GetUtcNow() - content.UpdatedAt >= SettledAge;

    private async Task<ContentDifference> FixAsync(ContentDifference difference, CancellationToken cancellationToken)
    {
        if (difference.Problem != "unowned")
        {
            if (difference.Here is { Complete: true } damaged)
            {
                // A block with other bytes would not be fetched again.
                _verifier.CheckContent(damaged, hash => store.Blocks.Delete(hash), cancellationToken);
                catalog.MarkIncomplete(damaged);
            }

            if (await FetchAsync(difference.Digest, cancellationToken) is { } reason)
            {
                return await DropAsync(difference with { Reason = $"{difference.Reason}; {reason}" }, cancellationToken);
            }
        }
        else if (Own(difference.Digest, found: null) is null)
        {
            return difference with { Error = $"{difference.Digest} was deleted meanwhile" };
        }

        return difference with { Fix = difference.Problem == "unowned" ? "owned" : "fetched" };
    }

    /// <summary>Deletes containerd's records of a content that nobody has.</summary>
    private async Task<ContentDifference> DropAsync(ContentDifference difference, CancellationToken cancellationToken)
    {
        // First here: as long as ipcs says that it has the content, containerd would record it again instead of writing it.
        catalog.Release(difference.Digest, static record => !record.Complete);
        if (store.Contents.Get(difference.Digest) is { Owned: true })
        {
            // It has become complete meanwhile.
            return difference with { Fix = "fetched" };
        }

        foreach (RecordedContent record in difference.Records)
        {
            await containerd.DropAsync(record, cancellationToken);
        }

        return difference with { Fix = "dropped" };
    }

    /// <summary>
    /// Fetches a content from the fleet and makes it containerd's. Returns why that is not possible; null when it is done.
    /// </summary>
    private async Task<string?> FetchAsync(Digest digest, CancellationToken cancellationToken)
    {
        ContentRecord? found = null;
        if (store.Contents.Get(digest) is null && (found = await search(digest, cancellationToken)) is null)
        {
            return "no peer has it";
        }

        using GcLease? lease = found is null ? null : store.LeaseDag(found.Root);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        try
        {
            if (Own(digest, found) is null)
            {
                return "its record was deleted meanwhile";
            }

            Task fetching = fetch(digest, stop.Token);
            long before = Stored(digest, cancellationToken);
            while (await Task.WhenAny(fetching, Task.Delay(Patience, time, stop.Token)) != fetching)
            {
                cancellationToken.ThrowIfCancellationRequested();
                long now = Stored(digest, cancellationToken);
                if (now == before)
                {
                    await stop.CancelAsync();
                    await fetching.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                    return $"no peer sent a block of it for {Patience.TotalSeconds} s";
                }

                before = now;
            }

            await fetching;
            return null;
        }
        catch (IOException e)
        {
            return e.Message;
        }
        finally
        {
            await stop.CancelAsync();
        }
    }

    /// <summary>
    /// Makes a content containerd's: one that has a record, or the one that was found in the fleet. Null when there is neither.
    /// </summary>
    private ContentRecord? Own(Digest digest, ContentRecord? found)
    {
        DateTimeOffset now = time.GetUtcNow();
        return catalog.Change(digest, record => record is { Owned: true }
            ? record
            : (record ?? found) is { } other ? other with { Owned = true, Retained = false, CreatedAt = now, UpdatedAt = now } : null);
    }

    /// <summary>The number of blocks of a content that are stored.</summary>
    private long Stored(Digest digest, CancellationToken cancellationToken) => store.Contents.Get(digest) is { } record
        ? DagVerify.Reachable(store.Blocks, record.Root, cancellationToken).LongCount()
        : 0;

    /// <summary>
    /// Ends the ownership of contents that containerd does not record. Then looks once more: one that containerd has recorded since,
    /// because ipcs still said that it has it, is owned again. Its blocks are under a lease until then.
    /// </summary>
    private async Task<IReadOnlyList<ContentDifference>> ReleaseAsync(
        IReadOnlyList<ContentDifference> differences, CancellationToken cancellationToken)
    {
        List<GcLease> leases = [];
        try
        {
            List<ContentRecord> released = [];
            foreach (ContentRecord content in differences.Select(difference => difference.Here!))
            {
                leases.Add(store.LeaseDag(content.Root));
                if (catalog.Release(content.Digest, record => record.Root == content.Root && IsSettled(record)))
                {
                    released.Add(content);
                }
            }

            HashSet<Digest>? known = null;
            try
            {
                known = [.. (await containerd.ReadAsync(cancellationToken)).Contents.Select(content => content.Digest)];
            }
            finally
            {
                foreach (ContentRecord content in released.Where(content => known?.Contains(content.Digest) != false))
                {
                    Own(content.Digest, content);
                }
            }

            return [.. differences.Select(difference => difference with { Fix = "released" })];
        }
        finally
        {
            leases.ForEach(lease => lease.Dispose());
        }
    }
}
