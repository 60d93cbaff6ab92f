using System.Buffers;
using System.Collections.Concurrent;
using Ipcs.Blockstore;
using Ipcs.Blockstore.Memory;
using Ipcs.Dag;
using Ipcs.Dag.Import;
using Ipcs.Dag.Read;
using Ipcs.Multiformats;
using Ipcs.TestKit;

namespace Ipcs.Dag.Tests.Gc;

/// <summary>
/// Continuous garbage collection concurrently with every user of the store: writes by containerd, pins, fetches and reads, of contents
/// that share most of their blocks, so that one worker deletes what another needs. Every byte is checked.
/// </summary>
public sealed class GcStressTests : IDisposable
{
    private const int PieceLength = 16 * 1024;
    private static readonly TimeSpan Duration = TimeSpan.FromSeconds(5);
    private static readonly byte[][] Pieces = [.. Enumerable.Range(0, 24).Select(i => Xs128.Bytes($"piece{i}", PieceLength))];

    private readonly RepoFixture _repo = new(onDisk: true);
    private readonly MemoryStore _remote = new();
    private readonly ConcurrentDictionary<Digest, byte[]> _live = new();
    private readonly ConcurrentDictionary<Digest, byte[]> _written = new();
    private readonly CancellationTokenSource _stop = new();
    private readonly int[] _done = new int[4];

    private IStore Store => _repo.Store;

    [Fact]
    public async Task Nothing_needed_is_lost_and_nothing_dead_is_left()
    {
        Task[] users =
        [
            Start(0, Write), Start(0, Write), Start(1, Pin), Start(2, Fetch), Start(3, Read), Start(3, Read),
        ];
        long removed = 0;
        int rounds = 0;
        long started = TimeProvider.System.GetTimestamp();
        while (TimeProvider.System.GetElapsedTime(started) < Duration || (_done.Any(n => n < 20) && !users.Any(user => user.IsFaulted)))
        {
            removed += (await _repo.CollectAsync()).Count;
            rounds++;
        }

        await _stop.CancelAsync();
        await Task.WhenAll(users);
        TestContext.Current.TestOutputHelper?.WriteLine(
            $"{rounds} collections took {removed} blocks; {_done[0]} written, {_done[1]} pinned, {_done[2]} fetched, {_done[3]} read");
        Assert.InRange(removed, 100, long.MaxValue);

        // At the end the store has exactly the owned contents, undamaged.
        await _repo.CollectAsync();
        HashSet<Multihash> needed = [];
        ContentRecord[] owned = [.. Store.Contents.Enumerate()];
        foreach (ContentRecord record in owned)
        {
            await CheckAsync(record.Root, _written[record.Digest]);
            needed.UnionWith(DagVerify.Reachable(Store.Blocks, record.Root, TestContext.Current.CancellationToken).Select(cid => cid.Hash));
        }

        Assert.Equal(needed, Store.Blocks.Enumerate().Select(block => block.Hash).ToHashSet());
        Assert.Equal(needed.Count, Store.GetStatistics().Blocks);
        foreach (ContentRecord record in owned)
        {
            Store.Contents.Delete(record.Digest);
        }

        await _repo.CollectAsync();
        Assert.Empty(Store.Blocks.Enumerate());
        Assert.Equal(0, Store.GetStatistics().BlockBytes);
    }

    public void Dispose()
    {
        _stop.Dispose();
        _repo.Dispose();
        _remote.Dispose();
    }

    private static byte[] Data(Random random) =>
        [
            .. Enumerable.Range(0, random.Next(1, 12)).SelectMany(_ => Pieces[random.Next(Pieces.Length)]),
            .. BitConverter.GetBytes(random.Next(3)),
        ];

    private Task Start(int kind, Func<Random, Task> once) => Task.Factory.StartNew(
        () =>
        {
            Random random = new(Environment.CurrentManagedThreadId);
            while (!_stop.IsCancellationRequested)
            {
                once(random).GetAwaiter().GetResult();
                Interlocked.Increment(ref _done[kind]);
            }
        },
        CancellationToken.None,
        TaskCreationOptions.LongRunning,
        TaskScheduler.Default);

    // As the content service: lists the roots of an open ingest and takes no lease.
    private async Task Write(Random random)
    {
        byte[] data = Data(random);
        var rootsLock = new Lock();
        var importer = new DagImporter(Store.Blocks, RepoFixture.Profile);
        Cid? root = null;
        _repo.Ingests.Open[importer] = () =>
        {
            lock (rootsLock)
            {
                return root is { } done ? [done] : importer.Roots;
            }
        };
        for (int offset = 0; offset < data.Length; offset += 10_000)
        {
            lock (rootsLock)
            {
                importer.Write(data.AsSpan(offset, Math.Min(10_000, data.Length - offset)));
            }
        }

        DagRoot made;
        lock (rootsLock)
        {
            made = importer.Finish();
            root = made.Root;
        }

        _written.TryAdd(Digest.Sha256(data), data);
        _repo.Updates.Commit(Digest.Sha256(data), "ref", there => there ?? RepoFixture.Record(data, made));
        _repo.Ingests.Open.TryRemove(importer, out _);
        await OwnAsync(data, random);
    }

    // Owned by this worker alone: checked, then mostly deleted.
    private async Task OwnAsync(byte[] data, Random random)
    {
        Digest digest = Digest.Sha256(data);
        if (!_live.TryAdd(digest, data))
        {
            return;
        }

        ContentRecord? record = Store.Contents.Get(digest);
        if (record is null)
        {
            // Another worker that had it before deleted it after the commit.
            _live.TryRemove(digest, out _);
            return;
        }

        await CheckAsync(record.Root, data);
        if (random.Next(10) > 0 || _live.Count > 20)
        {
            Store.Contents.Delete(digest);
            _live.TryRemove(digest, out _);
        }
    }

    // As add: a lease of touched blocks, since the root is unknown until the end.
    private async Task Pin(Random random)
    {
        byte[] data = Data(random);
        Cid root;
        using (Store.LeaseTouched())
        {
            root = _repo.Import(data).Root;
            Store.Pins.Put(new PinRecord(root, Recursive: true, ""));
        }

        await CheckAsync(root, data);
        Store.Pins.Delete(root);
    }

    // As the fleet: leases the root, fetches blocks top-down, and skips those that the store has.
    private async Task Fetch(Random random)
    {
        byte[] data = Data(random);
        Cid root = RepoFixture.Import(_remote, data).Root;
        using GcLease lease = Store.LeaseDag(root);
        await foreach (var _ in DagWalk.InOrderAsync([root], new RemoteSource(Store.Blocks, _remote.Blocks), 4, CancellationToken.None))
        {
            // The source stores each block.
        }

        await CheckAsync(root, data);
    }

    // Reads a content slowly to its end, while it may lose its owner at any time.
    private async Task Read(Random random)
    {
        (Digest digest, byte[] data) = _live.ToArray() is { Length: > 0 } all ? all[random.Next(all.Length)] : default;
        if (data is null || Store.Contents.Get(digest) is not { } record)
        {
            await Task.Yield();
            return;
        }

        using GcLease lease = Store.LeaseDag(record.Root);
        if (Store.Contents.Get(digest) is not null)
        {
            await CheckAsync(record.Root, data, random.Next(2));
        }
    }

    private async Task CheckAsync(Cid root, byte[] expected, int pause = 0)
    {
        using DagReader reader = await DagReader.OpenAsync(root, new LocalBlockSource(Store.Blocks), CancellationToken.None);
        Assert.Equal(expected.Length, reader.Length);
        byte[] buffer = new byte[20_000];
        for (long offset = 0; offset < expected.Length;)
        {
            int n = await reader.ReadAsync(offset, buffer, CancellationToken.None);
            Assert.True(n > 0 && buffer.AsSpan(0, n).SequenceEqual(expected.AsSpan((int)offset, n)));
            offset += n;
            if (pause > 0)
            {
                await Task.Delay(pause, CancellationToken.None);
            }
        }
    }

    private sealed class RemoteSource(IBlockstore here, IBlockstore remote) : IBlockSource
    {
        public ValueTask<IMemoryOwner<byte>> GetAsync(Cid cid, CancellationToken cancellationToken)
        {
            if (here.Get(cid.Hash) is { } block)
            {
                return ValueTask.FromResult(block);
            }

            using IMemoryOwner<byte> got = remote.Get(cid.Hash)!;
            here.Put(cid.Hash, got.Memory.Span);
            return ValueTask.FromResult(here.Get(cid.Hash) ?? throw new BlockNotFoundException(cid, "came and was removed at once"));
        }
    }
}
