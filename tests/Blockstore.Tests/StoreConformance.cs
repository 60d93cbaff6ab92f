using System.Buffers;
using Ipcs.Multiformats;
using Ipcs.TestKit;

namespace Ipcs.Blockstore.Tests;

/// <summary>What every store must do. RocksDB and its twin in memory both pass.</summary>
public abstract class StoreConformance : IDisposable
{
    private readonly Lazy<IStore> _store;

    protected StoreConformance() => _store = new Lazy<IStore>(Open);

    protected IStore Store => _store.Value;

    protected abstract IStore Open();

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(4095)]
    [InlineData(4096)]
    [InlineData(262_144)]
    [InlineData(IBlockstore.MaxBlockLength)]
    public void BlockComesBackAsItWas(int length)
    {
        byte[] block = Xs128.Bytes("block", length);
        Multihash hash = Multihash.Sha256(block);
        Assert.Null(Store.Blocks.Get(hash));
        Assert.False(Store.Blocks.Has(hash));
        Store.Blocks.Put(hash, block);
        using IMemoryOwner<byte>? got = Store.Blocks.Get(hash);
        Assert.Equal(block, got!.Memory.ToArray());
        Assert.True(Store.Blocks.TryGetLength(hash, out int n));
        Assert.Equal(length, n);
    }

    [Fact]
    public void BlockOverTheBoundIsRefused()
    {
        byte[] block = new byte[IBlockstore.MaxBlockLength + 1];
        Assert.Throws<StoreException>(() => Store.Blocks.Put(Multihash.Sha256(block), block));
    }

    [Fact]
    public void DeletedBlockIsGoneAndABorrowedOneStays()
    {
        byte[] block = Xs128.Bytes("b", 100_000);
        Multihash hash = Multihash.Sha256(block);
        Store.Blocks.Put(hash, block);
        using IMemoryOwner<byte>? got = Store.Blocks.Get(hash);
        Store.Blocks.Delete(hash);
        Assert.Null(Store.Blocks.Get(hash));
        Assert.Equal(block, got!.Memory.ToArray());
    }

    [Fact]
    public void EnumerateGivesEveryBlockOnce()
    {
        var expected = new HashSet<Multihash>();
        for (int i = 0; i < 50; i++)
        {
            byte[] block = Xs128.Bytes($"e{i}", 1000 * i);
            expected.Add(Multihash.Sha256(block));
            Store.Blocks.Put(Multihash.Sha256(block), block);
        }

        Assert.Equal(expected, Store.Blocks.Enumerate().Select(b => b.Hash).ToHashSet());
    }

    [Fact]
    public void ContentRecordsKeepEveryField()
    {
        ContentRecord record = Record("c") with { Labels = new Dictionary<string, string>(StringComparer.Ordinal) { ["a"] = "1", ["b/ü"] = "" } };
        Store.Contents.Put(record);
        ContentRecord? got = Store.Contents.Get(record.Digest);
        Assert.Equivalent(record, got, strict: true);
        Assert.Single(Store.Contents.Enumerate());
        Assert.True(Store.Contents.Delete(record.Digest));
        Assert.False(Store.Contents.Delete(record.Digest));
        Assert.Null(Store.Contents.Get(record.Digest));
    }

    [Fact]
    public void CommitPutsTheContentAndRemovesTheIngest()
    {
        Store.Ingests.Put(new IngestRecord { Ref = "r1", State = new byte[] { 1 } });
        Store.Ingests.Put(new IngestRecord { Ref = "r2" });
        ContentRecord record = Record("d");
        Store.Commit(record, "r1");
        Assert.Null(Store.Ingests.Get("r1"));
        Assert.NotNull(Store.Ingests.Get("r2"));
        Assert.Equal(record.Root, Store.Contents.Get(record.Digest)!.Root);
    }

    [Fact]
    public void IngestRecordsKeepEveryField()
    {
        var record = new IngestRecord
        {
            Ref = "ref/ü", Total = 7, Expected = "sha256:x", Offset = 5, State = Xs128.Bytes("s", 1000),
            StartedAt = DateTimeOffset.UnixEpoch, UpdatedAt = DateTimeOffset.UnixEpoch.AddDays(1),
        };
        Store.Ingests.Put(record);
        IngestRecord got = Store.Ingests.Get("ref/ü")!;
        Assert.Equal(record with { State = default }, got with { State = default });
        Assert.Equal(record.State.ToArray(), got.State.ToArray());
        Assert.True(Store.Ingests.Delete("ref/ü"));
        Assert.False(Store.Ingests.Delete("ref/ü"));
    }

    [Fact]
    public void PinsComeAndGo()
    {
        var pin = new PinRecord(Cid.V0(Multihash.Sha256("p"u8)), Recursive: true, "name");
        Store.Pins.Put(pin);
        Assert.Equal(pin, Store.Pins.Get(pin.Root));
        Assert.Equal([pin], Store.Pins.Enumerate());
        Assert.True(Store.Pins.Delete(pin.Root));
        Assert.False(Store.Pins.Delete(pin.Root));
    }

    [Fact]
    public async Task ManyAtOnce()
    {
        CancellationToken cancel = TestContext.Current.CancellationToken;
        await Parallel.ForEachAsync(Enumerable.Range(0, 200), cancel, (i, _) =>
        {
            byte[] block = Xs128.Bytes($"p{i % 20}", 50_000);
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

            Assert.All(Store.Blocks.Enumerate().Take(3), b => Assert.Equal(50_000, b.Length));
            return ValueTask.CompletedTask;
        });
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
        Digest = Digest.Sha256(Xs128.Bytes(seed, 10)), Kind = ContentKind.Dag, Root = Cid.V1(Multicodec.DagPb, Multihash.Sha256(Xs128.Bytes(seed, 11))),
        Size = 10, Profile = "kubo-v1", Owned = true, Complete = true,
        CreatedAt = DateTimeOffset.UnixEpoch.AddSeconds(1), UpdatedAt = DateTimeOffset.UnixEpoch.AddSeconds(2),
    };

    protected virtual void Clean()
    {
    }
}

public sealed class MemoryStoreTests : StoreConformance
{
    protected override IStore Open() => new MemoryStore();
}

public sealed class RocksStoreTests : StoreConformance
{
    private readonly string _folder = Directory.CreateTempSubdirectory("ipcs-store-").FullName;

    [Fact]
    public void SecondOpenerIsToldThatItIsInUse()
    {
        _ = Store;
        StoreException e = Assert.Throws<StoreException>(() => RocksStore.Open(_folder));
        Assert.Contains("in use", e.Message, StringComparison.Ordinal);
        Assert.Contains(_folder, e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void WhatWasCommittedIsInACopyTakenWithoutClosing()
    {
        byte[] block = Xs128.Bytes("crash", 262_144);
        Store.Blocks.Put(Multihash.Sha256(block), block);
        ContentRecord record = Record("crash");
        Store.Commit(record, null);
        string copy = Directory.CreateTempSubdirectory("ipcs-copy-").FullName;
        try
        {
            foreach (string file in Directory.GetFiles(_folder).Where(f => Path.GetFileName(f) != "LOCK"))
            {
                File.Copy(file, Path.Combine(copy, Path.GetFileName(file)));
            }

            using RocksStore reopened = RocksStore.Open(copy);
            Assert.Equal(record.Root, reopened.Contents.Get(record.Digest)!.Root);
            using IMemoryOwner<byte>? got = reopened.Blocks.Get(Multihash.Sha256(block));
            Assert.Equal(block, got!.Memory.ToArray());
        }
        finally
        {
            Directory.Delete(copy, recursive: true);
        }
    }

    [Fact]
    public void CallAfterDisposeThrowsAndABorrowedBlockStays()
    {
        byte[] block = Xs128.Bytes("late", 100_000);
        Multihash hash = Multihash.Sha256(block);
        Store.Blocks.Put(hash, block);
        IMemoryOwner<byte> borrowed = Store.Blocks.Get(hash)!;
        Store.Dispose();
        Assert.Throws<ObjectDisposedException>(() => Store.Blocks.Get(hash));
        Assert.Equal(block, borrowed.Memory.ToArray());
        borrowed.Dispose();
        borrowed.Dispose();
    }

    [Fact]
    public void StatisticsGrow()
    {
        Store.Blocks.Put(Multihash.Sha256("x"u8), Xs128.Bytes("x", 100_000));
        StoreStatistics statistics = Store.GetStatistics();
        Assert.True(statistics.Blocks >= 1);
        Assert.True(statistics.Bytes >= 100_000);
    }

    protected override IStore Open() => RocksStore.Open(_folder);

    protected override void Clean() => Directory.Delete(_folder, recursive: true);
}
