using Ipcs.Blockstore;
using Ipcs.Dag.Read;
using Ipcs.Multiformats;
using Microsoft.Extensions.Logging;

namespace Ipcs.Dag.Gc;

/// <summary>
/// Takes what nothing needs: marks from what work under way keeps, the ingests, the contents that containerd owns and the pins, and sweeps the
/// rest, beside writers and readers (<see cref="IGcCycle"/> and the gate behind it say how that is safe). Contents that nobody owns
/// and no pin keeps leave the index first, one at a time under the lock of their changes, so that none can be claimed while its blocks go.
/// Memory: some 22 to 43 bytes for each block that is needed, while it runs.
/// </summary>
public sealed partial class GarbageCollector(IStore store, ContentCatalog updates, IIngestRoots ingests, TimeProvider time, ILogger<GarbageCollector> logger)
    : IDisposable
{
    private readonly SemaphoreSlim _turn = new(1);
    private long _runs;
    private long _failures;
    private long _blocks;
    private long _bytes;
    private long _lastTicks;
    private bool _running;

    /// <summary>What has been done since the start.</summary>
    public GcTotals Totals => new(
        Interlocked.Read(ref _runs), Interlocked.Read(ref _failures), Interlocked.Read(ref _blocks), Interlocked.Read(ref _bytes),
        new TimeSpan(Interlocked.Read(ref _lastTicks)), Volatile.Read(ref _running));

    /// <summary>Collects, after the collection that is under way, if there is one.</summary>
    /// <param name="removed">Told of every block removed and its length; may be slow.</param>
    /// <param name="cancellationToken">Stops it; what is removed by then is removed.</param>
    /// <exception cref="StoreException">A node of something needed is damaged, or the store failed. Nothing needed is gone.</exception>
    public async Task<GcResult> CollectAsync(Action<Multihash, int> removed, CancellationToken cancellationToken)
    {
        await _turn.WaitAsync(cancellationToken);
        Volatile.Write(ref _running, true);
        try
        {
            GcResult result = await Task.Factory.StartNew(
                () => Collect(removed, cancellationToken), cancellationToken, TaskCreationOptions.LongRunning, TaskScheduler.Default);
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
            _turn.Release();
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _turn.Dispose();

    private GcResult Collect(Action<Multihash, int> removed, CancellationToken cancellationToken)
    {
        long started = time.GetTimestamp();
        long blocks = 0;
        long bytes = 0;
        GcResult result;
        using (IGcCycle collection = store.BeginCollection())
        {
            int forgotten = ForgetUnowned(collection);
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
            result = new GcResult(blocks, bytes, marks.Count, forgotten);
        }

        if (blocks > 0)
        {
            store.Compact();
        }

        TimeSpan took = time.GetElapsedTime(started);
        Interlocked.Exchange(ref _lastTicks, took.Ticks);
        LogDone(result.Blocks, result.Bytes, result.Kept, result.Forgotten, took.TotalMilliseconds);
        return result;
    }

    private int ForgetUnowned(IGcCycle collection)
    {
        HashSet<Multihash> pinned = [.. store.Pins.Enumerate().Where(pin => pin.Recursive).Select(pin => pin.Root.Hash)];
        int forgotten = 0;
        foreach (ContentRecord content in store.Contents.Enumerate().Where(content => !content.Owned && !pinned.Contains(content.Root.Hash)))
        {
            updates.Change(content.Digest, record =>
            {
                bool needed = record is null or { Owned: true } || IsKept(record.Root, collection);
                forgotten += needed ? 0 : 1;
                return needed ? record : null;
            });
        }

        return forgotten;
    }

    // Asked anew each time: who found the record, kept its root and looked again must find that it stays.
    private bool IsKept(Cid root, IGcCycle collection) =>
        collection.LeasedRoots().Any(held => held.Hash == root.Hash)
        || store.Pins.Get(root) is { Recursive: true } || store.Pins.Get(root.ToV1()) is { Recursive: true };

    // In the order in which things move: from work under way and ingests to contents and pins.
    private BlockSet Mark(IGcCycle collection, CancellationToken cancellationToken)
    {
        var mark = new DagMark(store.Blocks);
        foreach (Cid root in collection.LeasedRoots())
        {
            Add(root, $"{root}, which is in use");
        }

        foreach (Cid root in ingests.LeasedRoots())
        {
            Add(root, $"{root} of an ingest");
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

        Guard(() => mark.AddLate(cancellationToken), "what came meanwhile");
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
                throw new StoreException($"nothing was collected: what {what} needs cannot be known: {e.Message}", e);
            }
        }
    }

    [LoggerMessage(
        Level = LogLevel.Information,
        Message = "garbage collection: {Blocks} blocks of {Bytes} bytes removed, {Kept} kept, {Forgotten} contents forgotten, in {Milliseconds:F0} ms")]
    private partial void LogDone(long blocks, long bytes, int kept, int forgotten, double milliseconds);
}
