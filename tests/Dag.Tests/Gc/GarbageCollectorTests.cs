using System.Buffers;
using Ipcs.Blockstore;
using Ipcs.Dag.Import;
using Ipcs.Dag.Read;
using Ipcs.Multiformats;
using Ipcs.Dag.Gc;
using Ipcs.TestKit;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;

namespace Ipcs.Dag.Tests.Gc;

public sealed class GarbageCollectorTests : IDisposable
{
    private readonly RepoFixture _repo = new(onDisk: false);

    private IStore Store => _repo.Store;

    [Fact]
    public async Task What_is_owned_pinned_or_on_its_way_stays_and_nothing_else()
    {
        byte[] owned = Xs128.Bytes("owned", 100_000);
        byte[] pinned = Xs128.Bytes("pinned", 90_000);
        byte[] direct = Xs128.Bytes("direct", 80_000);
        byte[] dead = Xs128.Bytes("dead", 70_000);
        byte[] ingest = Xs128.Bytes("ingest", 60_000);
        byte[] kept = Xs128.Bytes("kept", 50_000);
        DagRoot ownedRoot = _repo.Import(owned);
        DagRoot pinnedRoot = _repo.Import(pinned);
        DagRoot directRoot = _repo.Import(direct);
        DagRoot keptRoot = _repo.Import(kept);
        _repo.Import(dead);
        var importer = new DagImporter(Store.Blocks, RepoFixture.Profile);
        importer.Write(ingest);
        _repo.Ingests.Open[importer] = () => importer.Roots;
        Store.Commit(RepoFixture.Record(owned, ownedRoot), null);
        Store.Pins.Put(new PinRecord(pinnedRoot.Root, Recursive: true, ""));
        Store.Pins.Put(new PinRecord(directRoot.Root, Recursive: false, ""));
        GcLease lease = Store.LeaseDag(keptRoot.Root);

        Cid[] roots = [ownedRoot.Root, pinnedRoot.Root, keptRoot.Root, .. importer.Roots];
        HashSet<Multihash> expected = [.. roots.SelectMany(Below), directRoot.Root.Hash];
        List<Multihash> removed = await _repo.CollectAsync();
        Assert.Equal(expected, Store.Blocks.Enumerate().Select(block => block.Hash).ToHashSet());
        Assert.Equal(removed.Count, removed.Distinct().Count());
        Assert.Empty(await _repo.CollectAsync());
        GcTotals totals = _repo.Collector.Totals;
        Assert.Equal((2, 0, removed.Count, false), (totals.Runs, totals.Failures, totals.Blocks, totals.Running));
        Assert.True(totals.Bytes >= dead.Length && totals.LastTime > TimeSpan.Zero);

        _repo.Ingests.Open.Clear();
        lease.Dispose();
        Store.Contents.Delete(Digest.Sha256(owned));
        Store.Pins.Delete(pinnedRoot.Root);
        Store.Pins.Delete(directRoot.Root);
        Assert.Equal(expected, (await _repo.CollectAsync()).ToHashSet());
        Assert.Empty(Store.Blocks.Enumerate());
    }

    [Fact]
    public async Task Contents_that_nobody_owns_leave_the_index_unless_they_are_pinned_or_in_use()
    {
        byte[][] data = [.. Enumerable.Range(0, 3).Select(i => Xs128.Bytes($"u{i}", 30_000))];
        DagRoot[] roots = [.. data.Select(_repo.Import)];
        for (int i = 0; i < 3; i++)
        {
            Store.Contents.Put(RepoFixture.Record(data[i], roots[i], owned: false));
        }

        int dead = Below(roots[2].Root).Count();
        Store.Pins.Put(new PinRecord(roots[0].Root, Recursive: true, ""));
        using (Store.LeaseDag(roots[1].Root))
        {
            GcResult result = await _repo.Collector.CollectAsync((_, _) => { }, TestContext.Current.CancellationToken);
            Assert.Equal(1, result.Deleted);
            Assert.Equal(dead, result.Blocks);
        }

        Assert.NotNull(Store.Contents.Get(Digest.Sha256(data[0])));
        Assert.NotNull(Store.Contents.Get(Digest.Sha256(data[1])));
        Assert.Null(Store.Contents.Get(Digest.Sha256(data[2])));
        Assert.True(DagVerify.IsComplete(Store.Blocks, roots[1].Root, TestContext.Current.CancellationToken));
        Store.Pins.Put(new PinRecord(roots[1].Root, Recursive: false, ""));
        await _repo.CollectAsync();
        Assert.Null(Store.Contents.Get(Digest.Sha256(data[1])));
        Assert.True(Store.Blocks.Has(roots[1].Root.Hash));
        Assert.False(DagVerify.IsComplete(Store.Blocks, roots[1].Root, TestContext.Current.CancellationToken));
    }

    /// <summary>A fetch leases a root; while the collection marks, a writer of the same content completes and commits it.</summary>
    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    public async Task What_is_completed_while_the_marking_goes_on_stays_whole(int depth)
    {
        byte[] data = Xs128.Bytes("late", 300_000);
        DagRoot root = _repo.Import(data);
        Cid late = root.Root;
        for (int i = 0; i < depth; i++)
        {
            using IMemoryOwner<byte> parent = Store.Blocks.Get(late.Hash)!;
            late = DagWalk.Children(late, parent.Memory.Span).First();
        }

        byte[] block;
        using (IMemoryOwner<byte> there = Store.Blocks.Get(late.Hash)!)
        {
            block = there.Memory.ToArray();
        }

        Store.Blocks.Delete(late.Hash);
        using GcLease fetch = Store.LeaseDag(root.Root);
        _repo.Ingests.Open[this] = () =>
        {
            Store.Blocks.Put(late.Hash, block);
            Store.Commit(RepoFixture.Record(data, root), null);
            return [];
        };
        Assert.Empty(await _repo.CollectAsync());
        Assert.True(DagVerify.IsComplete(Store.Blocks, root.Root, TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task Of_a_content_that_is_still_coming_what_is_here_stays()
    {
        byte[] data = Xs128.Bytes("coming", 100_000);
        DagRoot root = _repo.Import(data);
        Multihash[] all = [.. Below(root.Root)];
        Multihash missing = all[^1];
        Store.Blocks.Delete(missing);
        Store.Contents.Put(RepoFixture.Record(data, root) with { Complete = false });
        Assert.Empty(await _repo.CollectAsync());
        Assert.Equal(all.Length - 1, Store.Blocks.Enumerate().Count());
    }

    [Fact]
    public async Task A_block_that_is_raw_for_one_and_a_node_for_another_leads_on()
    {
        byte[] data = Xs128.Bytes("both", 100_000);
        DagRoot root = _repo.Import(data);
        HashSet<Multihash> all = [.. Below(root.Root)];
        Store.Pins.Put(new PinRecord(Cid.V1(Multicodec.Raw, root.Root.Hash), Recursive: true, ""));
        Store.Contents.Put(RepoFixture.Record(data, root));
        Assert.Empty(await _repo.CollectAsync());
        Assert.Equal(all, Store.Blocks.Enumerate().Select(block => block.Hash).ToHashSet());
    }

    [Fact]
    public async Task It_can_be_stopped_and_goes_on_the_next_time()
    {
        for (int i = 0; i < 2000; i++)
        {
            Store.Blocks.Put(Multihash.Sha256(BitConverter.GetBytes(i)), BitConverter.GetBytes(i));
        }

        using var stop = new CancellationTokenSource();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => _repo.Collector.CollectAsync((_, _) => stop.Cancel(), stop.Token));
        Assert.InRange(Store.Blocks.Enumerate().Count(), 1, 1999);
        await _repo.CollectAsync();
        Assert.Empty(Store.Blocks.Enumerate());
    }

    [Theory]
    [InlineData(0, true)]
    [InlineData(1000, true)]
    [InlineData(1001, false)]
    public async Task It_collects_by_itself_when_an_interval_is_over_and_the_store_is_large_enough(long storageMax, bool collects)
    {
        var time = new FakeTimeProvider();
        Store.Blocks.Put(Multihash.Sha256("x"u8), new byte[900]);
        await using (var schedule = new GcSchedule(
            _repo.Collector, Store, TimeSpan.FromHours(1), storageMax, Nothing(time), time, NullLogger<GcSchedule>.Instance))
        {
            time.Advance(TimeSpan.FromMinutes(59));
            Assert.True(Store.Blocks.Has(Multihash.Sha256("x"u8)));
            time.Advance(TimeSpan.FromMinutes(1));

            // Not by looking the block up: a block touched during a collection is not removed.
            while (collects && Store.GetStatistics().Blocks > 0)
            {
                await Task.Delay(5, TestContext.Current.CancellationToken);
            }
        }

        Assert.Equal(!collects, Store.Blocks.Has(Multihash.Sha256("x"u8)));
    }

    [Theory]
    [InlineData(0.5, 0, "bcd")] // a was deleted too long ago
    [InlineData(0.5, 15_000, "cd")] // room for two contents is needed: a, and then the oldest of the others
    [InlineData(0.5, 1_000_000, "d")]
    [InlineData(0.8, 0, "d")] // the disk is nearly full
    public async Task Contents_that_were_deleted_lately_stay_while_there_is_room(double diskUse, long room, string left)
    {
        var time = new FakeTimeProvider(DateTimeOffset.UnixEpoch.AddYears(50));
        var retention = new Retention(TimeSpan.FromHours(24), () => diskUse, time);
        (char, int, bool)[] contents = [('a', 25, false), ('b', 23, false), ('c', 1, false), ('d', 99, true)];
        foreach ((char name, int hours, bool owned) in contents)
        {
            byte[] data = Xs128.Bytes($"{name}", 10_000);
            Store.Commit(
                RepoFixture.Record(data, _repo.Import(data), owned) with { UpdatedAt = time.GetUtcNow().AddHours(-hours) }, null);
        }

        await _repo.Collector.CollectAsync((_, _) => { }, retention.Since, room, TestContext.Current.CancellationToken);
        HashSet<Digest> there = [.. Store.Contents.Enumerate().Select(c => c.Digest)];
        Assert.Equal(left, string.Concat("abcd".Where(name => there.Contains(Digest.Sha256(Xs128.Bytes($"{name}", 10_000))))));

        // By hand all of them go.
        await _repo.CollectAsync();
        Assert.Single(Store.Contents.Enumerate());
    }

    public void Dispose() => _repo.Dispose();

    private static Retention Nothing(TimeProvider time) => new(TimeSpan.Zero, () => 0, time);

    private IEnumerable<Multihash> Below(
        Cid root) => DagVerify.Reachable(Store.Blocks, root, TestContext.Current.CancellationToken).Select(cid => cid.Hash);
}
