using System.Buffers;
using System.Text;
using CsCheck;
using Ipcs.Blockstore.Compression;
using Ipcs.Multiformats;
using Ipcs.TestKit;

namespace Ipcs.Blockstore.Tests;

/// <summary>The behaviour of every store: RocksDB and in memory.</summary>
public abstract class StoreConformance : IDisposable
{
    private readonly Lazy<IStore> _store;

    protected StoreConformance() => _store = new Lazy<IStore>(Open);

    protected IStore Store => _store.Value;

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(4095)]
    [InlineData(4096)]
    [InlineData(262_144)]
    [InlineData(IBlockstore.MaxBlockLength)]
    public void A_block_comes_back_as_it_was(int length)
    {
        byte[] block = Xs128.Bytes("block", length);
        Multihash hash = Multihash.Sha256(block);
        Assert.Null(Store.Blocks.Get(hash));
        Assert.False(Store.Blocks.Has(hash));
        Assert.False(Store.Blocks.TryGetLength(hash, out int none));
        Assert.Equal(0, none);

        Store.Blocks.Put(hash, block);
        Store.Blocks.Put(hash, block);

        using IMemoryOwner<byte>? got = Store.Blocks.Get(hash);
        Assert.Equal(block, got!.Memory.ToArray());
        Assert.True(Store.Blocks.Has(hash));
        Assert.True(Store.Blocks.TryGetLength(hash, out int n));
        Assert.Equal(length, n);
        Assert.Equal([(hash, length)], Store.Blocks.Enumerate());
    }

    [Theory]
    [InlineData(200)]
    [InlineData(20_000)]
    [InlineData(262_144)]
    [InlineData(IBlockstore.MaxBlockLength)]
    public void A_compressed_block_is_read_decompressed_and_as_its_frame(int length)
    {
        byte[] block = new byte[length];
        Xs128.Bytes("half", length / 2).CopyTo(block, 0);
        Multihash hash = Multihash.Sha256(block);
        using IMemoryOwner<byte> frame = CompressedBlock.TryCompress(block)!;
        Assert.Null(Store.Blocks.GetCompressed(hash));
        Store.Blocks.PutCompressed(hash, frame.Memory.Span);
        Store.Blocks.Put(hash, block);

        using IMemoryOwner<byte>? got = Store.Blocks.Get(hash);
        Assert.Equal(block, got!.Memory.ToArray());
        using IMemoryOwner<byte>? compressed = Store.Blocks.GetCompressed(hash);
        Assert.Equal(frame.Memory.ToArray(), compressed!.Memory.ToArray());
        Assert.True(Store.Blocks.TryGetLength(hash, out int n));
        Assert.Equal(length, n);
        Assert.Equal([(hash, length)], Store.Blocks.Enumerate());
        Assert.Equal((1, length), (Store.GetStatistics().Blocks, Store.GetStatistics().BlockBytes));

        Store.Blocks.Delete(hash);
        Assert.Null(Store.Blocks.Get(hash));
        Assert.Null(Store.Blocks.GetCompressed(hash));
        Assert.Equal((0, 0), (Store.GetStatistics().Blocks, Store.GetStatistics().BlockBytes));
        Store.Blocks.Put(hash, block);
        Store.Blocks.PutCompressed(hash, frame.Memory.Span);
        Assert.Null(Store.Blocks.GetCompressed(hash));
    }

    [Fact]
    public void Blocks_put_together_are_each_as_if_put_alone()
    {
        byte[][] blocks = [.. Enumerable.Range(0, 40).Select(i => Xs128.Bytes($"block-{i}", 100 * i))];
        byte[] half = new byte[3000];
        using IMemoryOwner<byte> frame = CompressedBlock.TryCompress(half)!;
        Multihash there = Multihash.Sha256(blocks[7]);
        Store.Blocks.Put(there, blocks[7]);
        NewBlock[] together =
        [
            .. blocks.Select(b => new NewBlock(Multihash.Sha256(b), b, Compressed: false)),
            new NewBlock(Multihash.Sha256(half), frame.Memory, Compressed: true),
            new NewBlock(Multihash.Sha256(blocks[3]), blocks[3], Compressed: false),
        ];
        Store.Blocks.PutAll(together);
        Store.Blocks.PutAll(together, bulk: true);
        Store.Blocks.PutAll([]);

        foreach (byte[] block in (byte[][])[.. blocks, half])
        {
            using IMemoryOwner<byte>? got = Store.Blocks.Get(Multihash.Sha256(block));
            Assert.Equal(block, got!.Memory.ToArray());
            Assert.True(Store.Blocks.TryGetLength(Multihash.Sha256(block), out int length));
            Assert.Equal(block.Length, length);
        }

        using IMemoryOwner<byte>? compressed = Store.Blocks.GetCompressed(Multihash.Sha256(half));
        Assert.Equal(frame.Memory.ToArray(), compressed!.Memory.ToArray());
        Assert.Equal((41, blocks.Sum(b => b.Length) + 3000), (Store.GetStatistics().Blocks, Store.GetStatistics().BlockBytes));
        Assert.Equal(41, Store.Blocks.Enumerate().Count());
    }

    [Fact]
    public void Of_blocks_put_together_one_that_is_none_is_refused()
    {
        byte[] good = [1, 2, 3];
        NewBlock[] together =
        [
            new NewBlock(Multihash.Sha256(good), good, Compressed: false),
            new NewBlock(Multihash.Sha256("x"u8), "no frame"u8.ToArray(), Compressed: true),
        ];
        Assert.Throws<StoreException>(() => Store.Blocks.PutAll(together));
        Assert.Throws<StoreException>(() => Store.Blocks.PutAll(
            [together[0], new NewBlock(together[1].Hash, new byte[IBlockstore.MaxBlockLength + 1], Compressed: false)]));

        // No hash stays locked after a failure.
        Store.Blocks.Put(Multihash.Sha256(good), good);
        Store.Blocks.Delete(Multihash.Sha256("x"u8));
        Assert.Equal([(Multihash.Sha256(good), 3)], Store.Blocks.Enumerate());
    }

    [Fact]
    public async Task Many_who_put_the_same_together_in_any_order_count_each_once()
    {
        byte[][] blocks = [.. Enumerable.Range(0, 60).Select(i => Xs128.Bytes($"same-{i}", 500))];
        await Task.WhenAll(Enumerable.Range(0, 8).Select(k => Task.Run(() =>
        {
            var order = new Random(k);
            for (int round = 0; round < 20; round++)
            {
                NewBlock[] some = [.. blocks
                    .OrderBy(_ => order.Next())
                    .Take(25)
                    .Select(b => new NewBlock(Multihash.Sha256(b), b, Compressed: false))];
                Store.Blocks.PutAll(some, bulk: round % 2 == 0);
                Store.Blocks.Put(some[0].Hash, some[0].Data.Span);
            }
        }))).WaitAsync(TimeSpan.FromSeconds(60), TestContext.Current.CancellationToken);
        Assert.Equal((60, 30_000), (Store.GetStatistics().Blocks, Store.GetStatistics().BlockBytes));
        Assert.Equal(60, Store.Blocks.Enumerate().Count());
    }

    [Fact]
    public void What_is_no_frame_is_refused()
    {
        Multihash hash = Multihash.Sha256("x"u8);
        Assert.Throws<StoreException>(() => Store.Blocks.PutCompressed(hash, "no frame"u8));
        Assert.Throws<StoreException>(() => Store.Blocks.PutCompressed(hash, []));
        Assert.Empty(Store.Blocks.Enumerate());
    }

    [Fact]
    public void A_collection_sweeps_compressed_blocks_too()
    {
        byte[] kept = new byte[1000];
        byte[] swept = new byte[2000];
        foreach (byte[] block in (byte[][])[kept, swept])
        {
            using IMemoryOwner<byte> frame = CompressedBlock.TryCompress(block)!;
            Store.Blocks.PutCompressed(Multihash.Sha256(block), frame.Memory.Span);
        }

        BlockSet marks = new();
        marks.Add(Multihash.Sha256(kept));
        List<(Multihash, int)> removed = [];
        using (IGcCycle collection = Store.BeginCollection())
        {
            collection.Sweep(marks, (hash, length) => removed.Add((hash, length)), TestContext.Current.CancellationToken);
        }

        Assert.Equal([(Multihash.Sha256(swept), 2000)], removed);
        Assert.Null(Store.Blocks.GetCompressed(Multihash.Sha256(swept)));
        Assert.NotNull(Store.Blocks.GetCompressed(Multihash.Sha256(kept)));
        Store.Compact();
        using IMemoryOwner<byte>? got = Store.Blocks.Get(Multihash.Sha256(kept));
        Assert.Equal(kept, got!.Memory.ToArray());
    }

    [Fact]
    public void Keys_are_whole_multihashes()
    {
        byte[] digest = new byte[64];
        Multihash[] hashes =
        [
            new(Multihash.Sha2_512, digest), new(Multihash.Sha2_256, digest.AsSpan(32)), new(Multihash.Sha2_384, digest.AsSpan(16)),
            new(Multihash.Identity, digest.AsSpan(0, 1)), new(Multihash.Identity, digest.AsSpan(0, 2)), new(0xb220, digest.AsSpan(32)),
            new(Multihash.Identity, new byte[Multihash.MaxDigestLength]),
        ];
        for (int i = 0; i < hashes.Length; i++)
        {
            Store.Blocks.Put(hashes[i], [(byte)i]);
        }

        for (int i = 0; i < hashes.Length; i++)
        {
            using IMemoryOwner<byte>? got = Store.Blocks.Get(hashes[i]);
            Assert.Equal([(byte)i], got!.Memory.ToArray());
        }

        Assert.Equal(hashes.ToHashSet(), Store.Blocks.Enumerate().Select(block => block.Hash).ToHashSet());
    }

    [Fact]
    public void What_is_no_block_is_refused()
    {
        byte[] block = new byte[IBlockstore.MaxBlockLength + 1];
        Assert.Throws<StoreException>(() => Store.Blocks.Put(Multihash.Sha256(block), block));
        Assert.Throws<ArgumentException>(() => Store.Blocks.Put(default, block.AsSpan(0, 1)));
        Assert.Empty(Store.Blocks.Enumerate());
    }

    [Fact]
    public void A_deleted_block_is_gone_and_a_borrowed_one_stays()
    {
        byte[] block = Xs128.Bytes("b", 100_000);
        Multihash hash = Multihash.Sha256(block);
        Store.Blocks.Put(hash, block);
        using IMemoryOwner<byte>? got = Store.Blocks.Get(hash);
        Store.Blocks.Delete(hash);
        Store.Blocks.Delete(hash);
        Store.Compact();
        Assert.Null(Store.Blocks.Get(hash));
        Assert.False(Store.Blocks.Has(hash));
        Assert.Empty(Store.Blocks.Enumerate());
        Assert.Equal(block, got!.Memory.ToArray());

        Store.Blocks.Put(hash, block);
        Assert.True(Store.Blocks.Has(hash));
    }

    [Fact]
    public void A_borrowed_block_ends_with_its_disposal_however_often()
    {
        Multihash hash = Multihash.Sha256("x"u8);
        Store.Blocks.Put(hash, "x"u8);
        IMemoryOwner<byte> got = Store.Blocks.Get(hash)!;
        got.Dispose();
        got.Dispose();
        Assert.Throws<ObjectDisposedException>(() => got.Memory.ToArray());
        using IMemoryOwner<byte>? again = Store.Blocks.Get(hash);
        Assert.Equal("x"u8.ToArray(), again!.Memory.ToArray());
    }

    [Fact]
    public void Enumerating_gives_the_blocks_as_of_the_call()
    {
        Dictionary<Multihash, int> expected = [];
        for (int i = 0; i < 50; i++)
        {
            byte[] block = Xs128.Bytes($"e{i}", 500 * i);
            expected.Add(Multihash.Sha256(block), block.Length);
            Store.Blocks.Put(Multihash.Sha256(block), block);
        }

        IEnumerable<(Multihash Hash, int Length)> walk = Store.Blocks.Enumerate();
        Store.Blocks.Put(Multihash.Sha256("late"u8), "late"u8);
        Store.Blocks.Delete(expected.Keys.First());
        Assert.Equal(expected, walk.ToDictionary(block => block.Hash, block => block.Length));
        Assert.Equal(50, Store.Blocks.Enumerate().Count());
    }

    [Fact]
    public void An_enumeration_that_is_not_finished_holds_nothing()
    {
        for (int i = 0; i < 5; i++)
        {
            Store.Blocks.Put(Multihash.Sha256([(byte)i]), [(byte)i]);
        }

        for (int i = 0; i < 100; i++)
        {
            Assert.Single(Store.Blocks.Enumerate().Take(1));
        }

        Store.Dispose();
        Assert.Throws<ObjectDisposedException>(() => Walk(Store.Blocks.Enumerate()));
    }

    [Fact]
    public void A_content_record_keeps_every_field()
    {
        ContentRecord record = Record("c") with
        {
            Labels = new Dictionary<string, string>(StringComparer.Ordinal) { ["a"] = "1", ["b/ü"] = "", [""] = "x" },
            Retained = true,
        };
        Store.Contents.Put(record);
        Assert.Equivalent(record, Store.Contents.Get(record.Digest), strict: true);
        Assert.Equivalent(record, Assert.Single(Store.Contents.Enumerate()), strict: true);

        ContentRecord changed = new() { Digest = record.Digest, Kind = ContentKind.Blob, Root = Cid.V0(Multihash.Sha256([])), Size = 0 };
        Store.Contents.Put(changed, sync: true);
        Assert.Equivalent(changed, Store.Contents.Get(record.Digest), strict: true);

        Assert.True(Store.Contents.Delete(record.Digest));
        Assert.False(Store.Contents.Delete(record.Digest));
        Assert.Null(Store.Contents.Get(record.Digest));
        Assert.Empty(Store.Contents.Enumerate());
    }

    [Fact]
    public void Contents_come_in_the_order_of_their_digests_as_of_the_call()
    {
        Digest[] digests =
        [
            .. Enumerable.Range(0, 20).Select(i => Digest.Sha256([(byte)i])),
            new(new Multihash(Multihash.Sha2_384, new byte[48])), new(new Multihash(Multihash.Sha2_512, new byte[64])),
        ];
        foreach (Digest digest in digests)
        {
            Store.Contents.Put(Record("o") with { Digest = digest });
        }

        IEnumerable<ContentRecord> walk = Store.Contents.Enumerate();
        Assert.True(Store.Contents.Delete(digests[3]));
        Assert.Equal(
            digests.Select(digest => digest.ToString()).Order(StringComparer.Ordinal), walk.Select(record => record.Digest.ToString()));
        Assert.Equal(digests.Length - 1, Store.GetStatistics().Contents);
    }

    [Fact]
    public void A_commit_puts_the_content_and_removes_its_ingest_alone()
    {
        Store.Ingests.Put(new IngestRecord { Ref = "r1", State = new byte[] { 1 } });
        Store.Ingests.Put(new IngestRecord { Ref = "r2" });
        ContentRecord record = Record("d");
        Store.Commit(record, "r1");
        Assert.Null(Store.Ingests.Get("r1"));
        Assert.NotNull(Store.Ingests.Get("r2"));
        Assert.Equivalent(record, Store.Contents.Get(record.Digest), strict: true);

        Store.Commit(record with { Size = 11 }, ingestRef: null);
        Assert.Equal(11, Store.Contents.Get(record.Digest)!.Size);
        Assert.Single(Store.Ingests.Enumerate());
    }

    [Fact]
    public void An_ingest_record_keeps_every_field()
    {
        IngestRecord record = new()
        {
            Ref = "ref/ü 1",
            Total = long.MaxValue,
            Expected = "sha256:x",
            Offset = 5,
            State = Xs128.Bytes("s", 100_000),
            StartedAt = DateTimeOffset.UnixEpoch,
            UpdatedAt = DateTimeOffset.UnixEpoch.AddDays(1).AddTicks(1),
        };
        Store.Ingests.Put(record);
        foreach (IngestRecord got in (IngestRecord[])[Store.Ingests.Get(record.Ref)!, Assert.Single(Store.Ingests.Enumerate())])
        {
            Assert.Equal(record with { State = default }, got with { State = default });
            Assert.Equal(record.State.ToArray(), got.State.ToArray());
        }

        Assert.True(Store.Ingests.Delete(record.Ref));
        Assert.False(Store.Ingests.Delete(record.Ref));
        Assert.Null(Store.Ingests.Get(record.Ref));
    }

    [Fact]
    public void References_that_are_none_are_refused()
    {
        string longest = new('r', 16 << 10);
        Store.Ingests.Put(new IngestRecord { Ref = longest });
        Assert.NotNull(Store.Ingests.Get(longest));
        Assert.Throws<ArgumentException>(() => Store.Ingests.Put(new IngestRecord { Ref = longest + "r" }));
        Assert.Throws<ArgumentException>(() => Store.Ingests.Put(new IngestRecord { Ref = "" }));
        Assert.ThrowsAny<ArgumentException>(() => Store.Ingests.Get("half a pair: \ud800"));
    }

    [Fact]
    public void Pins_come_and_go()
    {
        PinRecord pin = new(Cid.V0(Multihash.Sha256("p"u8)), Recursive: true, "näme");
        PinRecord other = new(pin.Root.ToV1(), Recursive: false, "");
        Store.Pins.Put(pin);
        Store.Pins.Put(other);
        Assert.Equal(pin, Store.Pins.Get(pin.Root));
        Assert.Equal(other, Store.Pins.Get(other.Root));
        Assert.Equal([pin, other], Store.Pins.Enumerate().OrderBy(p => p.Root.Version));
        Store.Pins.Put(pin with { Name = "new" });
        Assert.Equal("new", Store.Pins.Get(pin.Root)!.Name);
        Assert.True(Store.Pins.Delete(pin.Root));
        Assert.False(Store.Pins.Delete(pin.Root));
        Assert.Null(Store.Pins.Get(pin.Root));
        Assert.Single(Store.Pins.Enumerate());
    }

    [Fact]
    public void Metadata_is_found_by_its_prefix_in_order()
    {
        foreach (string key in (string[])["provide/b", "peers/1", "provide/a", "provide", "!schema"])
        {
            Store.Metadata.Put(Encoding.UTF8.GetBytes(key), Encoding.UTF8.GetBytes("=" + key));
        }

        Store.Metadata.Put("empty"u8, [], sync: true);
        Assert.Equal(["provide/a", "provide/b"], Keys("provide/"));
        Assert.Equal(["!schema", "empty", "peers/1", "provide", "provide/a", "provide/b"], Keys(""));
        Assert.Equal("=peers/1"u8.ToArray(), Store.Metadata.Get("peers/1"u8));
        Assert.Equal(Array.Empty<byte>(), Store.Metadata.Get("empty"u8));
        Assert.True(Store.Metadata.Delete("peers/1"u8));
        Assert.False(Store.Metadata.Delete("peers/1"u8));
        Assert.Null(Store.Metadata.Get("peers/1"u8));

        IEnumerable<string> Keys(string prefix) =>
            Store.Metadata.Enumerate(Encoding.UTF8.GetBytes(prefix)).Select(pair => Encoding.UTF8.GetString(pair.Key));
    }

    [Fact]
    public void The_provide_queue_gives_what_is_due_the_longest_due_first()
    {
        Multihash[] keys = [.. Enumerable.Range(0, 5).Select(i => Multihash.Sha256([(byte)i]))];
        DateTimeOffset start = DateTimeOffset.UnixEpoch;
        for (int i = 0; i < keys.Length; i++)
        {
            Assert.True(Store.Provides.Put(new ProvideRecord { Key = keys[i], DueAt = start.AddHours(5 - i) }));
        }

        Assert.Equal(5, Store.Provides.Count);
        Assert.Empty(Store.Provides.Due(start, 10));
        Assert.Equal([keys[4], keys[3], keys[2]], Store.Provides.Due(start.AddHours(3), 10).Select(record => record.Key));
        Assert.Equal([keys[4], keys[3]], Store.Provides.Due(start.AddHours(9), 2).Select(record => record.Key));

        ProvideRecord done = new() { Key = keys[4], DueAt = start.AddHours(12), ProvidedAt = start.AddHours(1), Failures = 3 };
        Assert.True(Store.Provides.Put(done));
        Assert.True(Store.Provides.Put(done));
        Assert.Equal(done, Store.Provides.Get(keys[4]));
        Assert.Equal([keys[3], keys[2]], Store.Provides.Due(start.AddHours(3), 10).Select(record => record.Key));
        Assert.Equal(5, Store.Provides.Count);

        Assert.True(Store.Provides.Delete(keys[3]));
        Assert.False(Store.Provides.Delete(keys[3]));
        Assert.Null(Store.Provides.Get(keys[3]));
        Assert.Equal(4, Store.Provides.Count);
        Assert.Equal([keys[2], keys[1], keys[0], keys[4]], Store.Provides.Due(start.AddDays(1), 10).Select(record => record.Key));
        Assert.Equal(4, Store.Provides.Enumerate().Count());
    }

    [Fact]
    public void A_peer_record_keeps_every_field_and_no_more_addresses_than_it_may()
    {
        PeerRecord record = Peer(1) with
        {
            Addresses = [Multiaddr.Parse("/ip4/10.0.0.1/tcp/4001"), Multiaddr.Parse("/dns4/a.example/tcp/1")],
            SeenAt = DateTimeOffset.UnixEpoch.AddTicks(1),
        };
        Store.Peers.Put(record);
        Assert.Equivalent(record, Store.Peers.Get(record.Peer), strict: true);
        Store.Peers.Put(record with { Addresses = [.. Enumerable.Range(1, 40).Select(i => Multiaddr.Parse($"/ip4/10.0.0.1/tcp/{i}"))] });
        Assert.Equal(IPeerStore.MaxAddresses, Assert.Single(Store.Peers.Enumerate()).Addresses.Count);
        Assert.Equal("/ip4/10.0.0.1/tcp/1", Store.Peers.Get(record.Peer)!.Addresses[0].ToString());
        Assert.True(Store.Peers.Delete(record.Peer));
        Assert.False(Store.Peers.Delete(record.Peer));
        Assert.Null(Store.Peers.Get(record.Peer));
    }

    [Fact]
    public void Of_too_many_peers_those_not_seen_the_longest_go()
    {
        for (int i = 0; i <= IPeerStore.MaxPeers; i++)
        {
            Store.Peers.Put(Peer(i) with { SeenAt = DateTimeOffset.UnixEpoch.AddSeconds(IPeerStore.MaxPeers - i) });
        }

        Assert.InRange(Store.Peers.Enumerate().Count(), IPeerStore.MaxPeers / 2, IPeerStore.MaxPeers);
        Assert.Null(Store.Peers.Get(Peer(IPeerStore.MaxPeers - 1).Peer));
        Assert.NotNull(Store.Peers.Get(Peer(0).Peer));
        Assert.NotNull(Store.Peers.Get(Peer(IPeerStore.MaxPeers).Peer));
    }

    [Fact]
    public void A_collection_sweeps_what_is_neither_marked_nor_touched()
    {
        Multihash[] hashes = [.. Enumerable.Range(0, 600).Select(i => PutBlock($"g{i}", 100 + i))];
        BlockSet marks = new();
        foreach (Multihash hash in hashes.Take(100))
        {
            Assert.True(marks.Add(hash));
        }

        using (IGcCycle collection = Store.BeginCollection())
        {
            Assert.Throws<InvalidOperationException>(() => Store.BeginCollection());
            Assert.True(Store.Blocks.Has(hashes[100]));
            Assert.True(Store.Blocks.TryGetLength(hashes[101], out _));
            Store.Blocks.Get(hashes[102])!.Dispose();
            PutBlock("g103", 203);
            Multihash late = PutBlock("late", 9);
            Dictionary<Multihash, int> removed = [];
            collection.Sweep(marks, removed.Add, TestContext.Current.CancellationToken);
            Assert.Equal(hashes.Skip(104).ToHashSet(), removed.Keys.ToHashSet());
            Assert.All(Enumerable.Range(104, 496), i => Assert.Equal(100 + i, removed[hashes[i]]));
            Assert.True(Store.Blocks.Has(late));
        }

        Assert.Equal(105, Store.Blocks.Enumerate().Count());
        StoreStatistics statistics = Store.GetStatistics();
        Assert.Equal(105, statistics.Blocks);
        Assert.Equal(Enumerable.Range(100, 104).Sum() + 9, statistics.BlockBytes);
        Sweep(new BlockSet());
        Assert.Empty(Store.Blocks.Enumerate());
        Assert.Equal(0, Store.GetStatistics().BlockBytes);
    }

    [Fact]
    public void Blocks_touched_under_a_lease_are_kept_until_its_end()
    {
        Multihash before = PutBlock("before", 10);
        GcLease lease = Store.LeaseTouched();
        Multihash during = PutBlock("during", 10);
        Multihash found = PutBlock("found", 10);
        Sweep(new BlockSet());
        Assert.Equal(new HashSet<Multihash> { during, found }, Store.Blocks.Enumerate().Select(block => block.Hash).ToHashSet());
        Assert.False(Store.Blocks.Has(before));
        lease.Dispose();
        lease.Dispose();
        Sweep(new BlockSet());
        Assert.Empty(Store.Blocks.Enumerate());
    }

    [Fact]
    public void A_lease_released_during_a_collection_still_protects()
    {
        GcLease lease = Store.LeaseTouched();
        Multihash block = PutBlock("b", 10);
        using (IGcCycle collection = Store.BeginCollection())
        {
            lease.Dispose();
            collection.Sweep(new BlockSet(), (_, _) => Assert.Fail(), TestContext.Current.CancellationToken);
        }

        Assert.True(Store.Blocks.Has(block));
    }

    [Theory]
    [InlineData(0, 1)]
    [InlineData(40, 17_000)]
    public void Blocks_of_a_released_lease_are_swept_while_a_younger_lease_is_held(int generations, int touched)
    {
        List<GcLease> older = [];
        for (int i = 0; i < generations; i++)
        {
            older.Add(Store.LeaseTouched());
            PutBlock("each", 10);
        }

        GcLease first = Store.LeaseTouched();
        for (int i = 0; i < touched; i++)
        {
            _ = Store.Blocks.Has(Multihash.Sha256(BitConverter.GetBytes(i)));
        }

        Multihash old = PutBlock("old", 10);
        using GcLease second = Store.LeaseTouched();
        Multihash young = PutBlock("young", 10);
        Sweep(new BlockSet());
        Assert.Equal(generations == 0 ? 2 : 3, Store.Blocks.Enumerate().Count());
        first.Dispose();
        older.ForEach(lease => lease.Dispose());
        Sweep(new BlockSet());
        Assert.Equal([young], Store.Blocks.Enumerate().Select(block => block.Hash));
        Assert.False(Store.Blocks.Has(old));
    }

    [Fact]
    public void A_collection_sees_the_roots_of_leases()
    {
        Cid root = Cid.V0(Multihash.Sha256("r"u8));
        Multihash touched = PutBlock("t", 10);
        GcLease lease = Store.LeaseDag(root);
        using (GcLease other = Store.LeaseTouched())
        using (IGcCycle collection = Store.BeginCollection())
        {
            other.Add(root);
            Assert.Equal([root], collection.LeasedRoots());
        }

        // It protects the DAG under the root, not the blocks touched.
        Assert.True(Store.Blocks.Has(touched));
        Assert.Equal(1, Sweep(new BlockSet()));
        lease.Dispose();
        using (IGcCycle collection = Store.BeginCollection())
        {
            Assert.Empty(collection.LeasedRoots());
        }
    }

    [Fact]
    public async Task Sweeping_beside_writers_never_takes_what_they_were_told_is_there()
    {
        CancellationToken cancel = TestContext.Current.CancellationToken;
        byte[][] blocks = [.. Enumerable.Range(0, 300).Select(i => Xs128.Bytes($"s{i}", 5000))];
        using CancellationTokenSource stop = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        Task[] writers = [.. Enumerable.Range(0, 3).Select(which => Task.Factory.StartNew(
            () =>
            {
                Random random = new(which);
                while (!stop.IsCancellationRequested)
                {
                    // As an import does: stores blocks or finds them stored, and at the end all of them must exist.
                    using GcLease lease = Store.LeaseTouched();
                    byte[][] mine = [.. Enumerable.Range(0, 20).Select(_ => blocks[random.Next(blocks.Length)])];
                    foreach (byte[] block in mine)
                    {
                        if (!Store.Blocks.Has(Multihash.Sha256(block)))
                        {
                            Store.Blocks.Put(Multihash.Sha256(block), block);
                        }
                    }

                    foreach (byte[] block in mine)
                    {
                        using IMemoryOwner<byte>? got = Store.Blocks.Get(Multihash.Sha256(block));
                        Assert.True(got is not null && got.Memory.Span.SequenceEqual(block));
                    }
                }
            },
            CancellationToken.None,
            TaskCreationOptions.LongRunning,
            TaskScheduler.Default))];
        long swept = 0;
        for (int round = 0; round < 100 || (swept < 1000 && round < 5000); round++)
        {
            swept += Sweep(new BlockSet());
        }

        await stop.CancelAsync();
        await Task.WhenAll(writers);
        Assert.InRange(swept, 1000, long.MaxValue);
        Sweep(new BlockSet());
        Assert.Empty(Store.Blocks.Enumerate());
        StoreStatistics statistics = Store.GetStatistics();
        Assert.Equal((0, 0), (statistics.Blocks, statistics.BlockBytes));
    }

    [Fact]
    public void Any_sequence_of_puts_and_deletes_leaves_what_a_dictionary_has()
    {
        Gen.Select(Gen.Int[0, 15], Gen.Int[0, 2]).Array[0, 60].Sample(
            steps =>
            {
                Dictionary<Multihash, int> model = Store.Blocks.Enumerate().ToDictionary(block => block.Hash, block => block.Length);
                foreach ((int which, int what) in steps)
                {
                    byte[] block = new byte[(which * 700) + 1];
                    block[0] = (byte)which;
                    Multihash hash = Multihash.Sha256(block);
                    if (what == 0)
                    {
                        Store.Blocks.Delete(hash);
                        model.Remove(hash);
                    }
                    else
                    {
                        Store.Blocks.Put(hash, block);
                        model[hash] = block.Length;
                    }
                }

                Assert.Equal(model, Store.Blocks.Enumerate().ToDictionary(block => block.Hash, block => block.Length));
            },
            iter: 50,
            threads: 1);
    }

    [Fact]
    public async Task Many_at_once_get_whole_blocks_or_none()
    {
        CancellationToken cancel = TestContext.Current.CancellationToken;
        byte[][] blocks = [.. Enumerable.Range(0, 20).Select(i => Xs128.Bytes($"p{i}", 50_000))];
        await Parallel.ForAsync(0, 400, new ParallelOptions { MaxDegreeOfParallelism = 8, CancellationToken = cancel }, (i, _) =>
        {
            byte[] block = blocks[i % 20];
            Multihash hash = Multihash.Sha256(block);
            Store.Blocks.Put(hash, block);
            using (IMemoryOwner<byte>? got = Store.Blocks.Get(hash))
            {
                Assert.True(got is null || got.Memory.Span.SequenceEqual(block));
            }

            if (i % 3 == 0)
            {
                Store.Blocks.Delete(hash);
            }

            Assert.All(Store.Blocks.Enumerate().Take(3), entry => Assert.Equal(50_000, entry.Length));
            return ValueTask.CompletedTask;
        });
    }

    [Fact]
    public async Task Of_many_who_delete_the_same_one_is_told_that_it_was_there()
    {
        CancellationToken cancel = TestContext.Current.CancellationToken;
        for (int round = 0; round < 20; round++)
        {
            ContentRecord record = Record($"x{round}");
            Store.Contents.Put(record);
            int told = 0;
            await Parallel.ForAsync(0, 8, cancel, (_, _) =>
            {
                if (Store.Contents.Delete(record.Digest))
                {
                    Interlocked.Increment(ref told);
                }

                return ValueTask.CompletedTask;
            });
            Assert.Equal(1, told);
        }
    }

    [Fact]
    public async Task Disposing_under_load_ends_every_call_in_order()
    {
        byte[] block = Xs128.Bytes("load", 20_000);
        Multihash hash = Multihash.Sha256(block);
        Store.Blocks.Put(hash, block);
        using CountdownEvent running = new(4);
        Task[] workers = [.. Enumerable.Range(0, 4).Select(which => Task.Factory.StartNew(
            () =>
            {
                bool counted = false;
                for (int i = 0; ; i++)
                {
                    using (IMemoryOwner<byte>? got = Store.Blocks.Get(hash))
                    {
                        Assert.Equal(20_000, got!.Memory.Length);
                    }

                    Store.Blocks.Put(Multihash.Sha256(BitConverter.GetBytes((which * 1_000_000) + i)), block);
                    _ = Store.Blocks.Enumerate().Count(entry => entry.Length == 1);
                    Store.Commit(Record($"{which}/{i % 5}"), "r");
                    if (!counted)
                    {
                        running.Signal();
                    }

                    counted = true;
                }
            },
            CancellationToken.None,
            TaskCreationOptions.LongRunning,
            TaskScheduler.Default))];
        Assert.True(running.Wait(TimeSpan.FromSeconds(60), TestContext.Current.CancellationToken));
        Store.Dispose();
        foreach (Task worker in workers)
        {
            await Assert.ThrowsAsync<ObjectDisposedException>(
                () => worker.WaitAsync(TimeSpan.FromSeconds(60), TestContext.Current.CancellationToken));
        }
    }

    [Fact]
    public void A_call_after_the_disposal_throws_and_a_borrowed_block_stays()
    {
        byte[] block = Xs128.Bytes("late", 100_000);
        Multihash hash = Multihash.Sha256(block);
        Store.Blocks.Put(hash, block);
        IMemoryOwner<byte> borrowed = Store.Blocks.Get(hash)!;
        Store.Dispose();
        Store.Dispose();
        ContentRecord record = Record("z");
        Action[] calls =
        [
            () => Store.Blocks.Get(hash), () => Store.Blocks.Has(hash),
            () => Store.Blocks.Put(hash, block), () => Store.Blocks.Delete(hash),
            () => Store.Blocks.TryGetLength(hash, out _), () => Walk(Store.Blocks.Enumerate()), () => Store.Commit(record, null),
            () => Store.Contents.Get(record.Digest), () => Store.Contents.Put(record), () => Store.Contents.Delete(record.Digest),
            () => Walk(Store.Contents.Enumerate()), () => Store.Pins.Get(record.Root), () => Store.Ingests.Get("r"),
            () => Store.Metadata.Get("k"u8), () => Store.GetStatistics(), () => Store.Compact(),
            () => Store.LeaseTouched(), () => Store.BeginCollection(),
            () => Store.Provides.Due(default, 1), () => Walk(Store.Peers.Enumerate()),
        ];
        Assert.All(calls, call => Assert.Throws<ObjectDisposedException>(call));
        Assert.Equal(block, borrowed.Memory.ToArray());
        borrowed.Dispose();
        borrowed.Dispose();
    }

    [Fact]
    public void Statistics_grow_with_what_is_put()
    {
        Assert.Equal(0, Store.GetStatistics().Blocks);
        Store.Blocks.Put(Multihash.Sha256("x"u8), Xs128.Bytes("x", 100_000));
        StoreStatistics statistics = Store.GetStatistics();
        Assert.Equal((1, 100_000), (statistics.Blocks, statistics.BlockBytes));
        Assert.InRange(statistics.Bytes, 100_000, 1_000_000_000);
    }

    public void Dispose()
    {
        if (_store.IsValueCreated)
        {
            Store.Dispose();
        }

        Clean();
        GC.SuppressFinalize(this);
    }

    protected static ContentRecord Record(string seed) => new()
    {
        Digest = Digest.Sha256(Xs128.Bytes(seed, 10)),
        Kind = ContentKind.Dag,
        Root = Cid.V1(Multicodec.DagPb, Multihash.Sha256(Xs128.Bytes(seed, 11))),
        Size = 10,
        Profile = "kubo-v1",
        Owned = true,
        Complete = true,
        CreatedAt = DateTimeOffset.UnixEpoch.AddSeconds(1),
        UpdatedAt = DateTimeOffset.UnixEpoch.AddSeconds(2),
    };

    protected Multihash PutBlock(string seed, int length)
    {
        byte[] block = Xs128.Bytes(seed, length);
        Multihash hash = Multihash.Sha256(block);
        Store.Blocks.Put(hash, block);
        return hash;
    }

    protected long Sweep(BlockSet marks)
    {
        long removed = 0;
        using IGcCycle collection = Store.BeginCollection();
        collection.Sweep(marks, (_, _) => removed++, TestContext.Current.CancellationToken);
        return removed;
    }

    protected static PeerRecord Peer(int i) => new()
    {
        Peer = PeerId.FromPublicKey([8, 1, 18, 4, .. BitConverter.GetBytes(i)]),
    };

    protected static void Walk<T>(IEnumerable<T> all)
    {
        foreach (T one in all)
        {
            Assert.NotNull(one);
        }
    }

    protected abstract IStore Open();

    protected virtual void Clean()
    {
    }
}
