using Ipcs.Blockstore;
using Ipcs.Dag.Read;
using Ipcs.Multiformats;
using Microsoft.Extensions.Logging;

namespace Ipcs.Dag.Gc;

/// <summary>
/// Collects garbage: marks the blocks that leases, ingests, contents owned by containerd, and pins need, and sweeps the others,
/// concurrently with writers and readers (<see cref="IGcCycle"/> describes why that is safe). Before that it deletes the records of
/// contents that nobody owns and no pin keeps, each under the lock of its changes, so that none can be claimed while its blocks are swept.
/// Memory: 21 to 43 bytes for each marked block while it runs.
/// </summary>
public sealed partial class GarbageCollector(
    IStore store, ContentCatalog catalog, IIngestRoots ingests, TimeProvider time, ILogger<GarbageCollector> logger)
    : IDisposable
{
    private readonly SemaphoreSlim _oneAtATime = new(1);
    private long _runs;
    private long _failures;
    private long _blocks;
    private long _bytes;
    private long _lastTicks;
    private bool _running;

    /// <summary>Totals since the start of the process.</summary>
    public GcTotals Totals => new(
        Interlocked.Read(ref _runs), Interlocked.Read(ref _failures), Interlocked.Read(ref _blocks), Interlocked.Read(ref _bytes),
        new TimeSpan(Interlocked.Read(ref _lastTicks)), Volatile.Read(ref _running));

    /// <summary>Collects garbage once, after a running collection has ended.</summary>
    /// <param name="removed">Called for every block removed, with its length in bytes; may be slow.</param>
    /// <param name="cancellationToken">Stops the collection; blocks removed by then stay removed.</param>
    /// <exception cref="StoreException">
    /// An inner node that is needed is damaged, or the store failed. No needed block was removed.
    /// </exception>
    public Task<GcResult> CollectAsync(Action<Multihash, int> removed, CancellationToken cancellationToken) =>
        CollectAsync(removed, retainSince: null, room: 0, cancellationToken);

    /// <summary>Collects garbage once, and keeps contents that containerd has deleted lately for the peers.</summary>
    /// <param name="removed">Called for every block removed, with its length in bytes; may be slow.</param>
    /// <param name="retainSince">Complete contents that nobody owns since then stay; null for none.</param>
    /// <param name="room">The bytes of them that are to go all the same, those first that nobody has owned for the longest time.</param>
    /// <param name="cancellationToken">Stops the collection; blocks removed by then stay removed.</param>
    /// <exception cref="StoreException">
    /// An inner node that is needed is damaged, or the store failed. No needed block was removed.
    /// </exception>
    public async Task<GcResult> CollectAsync(
        Action<Multihash, int> removed, DateTimeOffset? retainSince, long room, CancellationToken cancellationToken)
    {
        await _oneAtATime.WaitAsync(cancellationToken);
        Volatile.Write(ref _running, true);
        try
        {
            GcResult result = await Task.Factory.StartNew(
                () => Collect(removed, retainSince, room, cancellationToken),
                cancellationToken,
                TaskCreationOptions.LongRunning,
                TaskScheduler.Default);
            Interlocked.Increment(ref _runs);
            return result;
        }
        catch
        {
            Interlocked.Increment(ref _failures);
            throw;
        }
        finally
        {
            Volatile.Write(ref _running, false);
            _oneAtATime.Release();
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _oneAtATime.Dispose();

    private GcResult Collect(
        Action<Multihash, int> removed, DateTimeOffset? retainSince, long room, CancellationToken cancellationToken)
    {
        long started = time.GetTimestamp();
        long blocks = 0;
        long bytes = 0;
        GcResult result;
        using (IGcCycle collection = store.BeginCollection())
        {
            int deleted = DeleteUnowned(collection, retainSince, room);
            BlockSet marks = Mark(collection, cancellationToken);
            collection.Sweep(
                marks,
                (hash, length) =>
                {
                    blocks++;
                    bytes += length;
                    Interlocked.Increment(ref _blocks);
                    Interlocked.Add(ref _bytes, length);
                    removed(hash, length);
                },
                cancellationToken);
            result = new GcResult(blocks, bytes, marks.Count, deleted);
        }

        if (blocks > 0)
        {
            store.Compact();
        }

        TimeSpan took = time.GetElapsedTime(started);
        Interlocked.Exchange(ref _lastTicks, took.Ticks);
        LogDone(result.Blocks, result.Bytes, result.Kept, result.Deleted, took.TotalMilliseconds);
        return result;
    }

    private int DeleteUnowned(IGcCycle collection, DateTimeOffset? retainSince, long room)
    {
        HashSet<Multihash> pinned = [.. store.Pins.Enumerate().Where(pin => pin.Recursive).Select(pin => pin.Root.Hash)];
        int deleted = 0;
        IEnumerable<ContentRecord> unowned =
            store.Contents.Enumerate().Where(content => !content.Owned && !pinned.Contains(content.Root.Hash));
        foreach (ContentRecord content in unowned.OrderBy(content => content.UpdatedAt))
        {
            bool retained = content.Complete && content.UpdatedAt > retainSince && room <= 0;
            room -= retained ? 0 : content.Size;
            if (retained)
            {
                continue;
            }

            catalog.Change(content.Digest, record =>
            {
                bool needed = record is null or { Owned: true } || IsKept(record.Root, collection);
                deleted += needed ? 0 : 1;
                return needed ? record : null;
            });
        }

        return deleted;
    }

    // Leases are listed anew for each content: a caller that found the record, leased its root and found the record again relies on it.
    private bool IsKept(Cid root, IGcCycle collection) =>
        collection.LeasedRoots().Any(leased => leased.Hash == root.Hash)
        || store.Pins.Get(root) is { Recursive: true } || store.Pins.Get(root.ToV1()) is { Recursive: true };

    // In the direction in which roots move: from leases and ingests to contents and pins.
    private BlockSet Mark(IGcCycle collection, CancellationToken cancellationToken)
    {
        var mark = new DagMark(store.Blocks);
        foreach (Cid root in collection.LeasedRoots())
        {
            Add(root, $"leased root {root}");
        }

        foreach (Cid root in ingests.LeasedRoots())
        {
            Add(root, $"ingest root {root}");
        }

        foreach (ContentRecord content in store.Contents.Enumerate())
        {
            Add(content.Root, $"content {content.Digest}");
        }

        foreach (PinRecord pin in store.Pins.Enumerate())
        {
            if (pin.Recursive)
            {
                Add(pin.Root, $"pin {pin.Root}");
            }
            else
            {
                mark.AddBlock(pin.Root);
            }
        }

        Guard(() => mark.AddLate(cancellationToken), "DAGs stored meanwhile");
        return mark.Marks;

        void Add(Cid root, string what) => Guard(() => mark.Add(root, cancellationToken), what);

        static void Guard(Action marking, string what)
        {
            try
            {
                marking();
            }
            catch (Exception e) when (e is DagFormatException or StoreException { IsCorruption: true })
            {
                throw new StoreException($"nothing was collected: cannot list the blocks of {what}: {e.Message}", e);
            }
        }
    }

    [LoggerMessage(
        Level = LogLevel.Information,
        Message = "garbage collection: {Blocks} blocks ({Bytes} bytes) removed, {Kept} kept, {Deleted} unowned contents deleted, "
            + "in {Milliseconds:F0} ms")]
    private partial void LogDone(long blocks, long bytes, int kept, int deleted, double milliseconds);
}
