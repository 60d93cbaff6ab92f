using System.Buffers;
using System.Diagnostics;
using Ipcs.Blockstore.Rocks;
using Ipcs.Multiformats;
using Ipcs.TestKit;

namespace Ipcs.Blockstore.Tests.Rocks;

/// <summary>A store on its own small file system, which only root can mount.</summary>
public sealed class DiskFullTests : IDisposable
{
    private const int BlockLength = 256 * 1024;

    private readonly TempFolder _folder = new();
    private readonly bool _mounted;

    public DiskFullTests()
    {
        Assert.SkipUnless(Environment.UserName == "root", "mounting a file system needs root");
        _mounted = Run("mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", _folder.Path);
        Assert.SkipUnless(_mounted, "this root may not mount a file system (a container without CAP_SYS_ADMIN)");
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_full_disk_is_said_loses_nothing_and_is_over_once_there_is_room(bool reserveTaken)
    {
        using RocksStore store = RocksStore.Open(Path.Combine(_folder.Path, "s"), new RocksStoreOptions { WriteBufferBytes = 1 << 20 });
        string ballast = Path.Combine(_folder.Path, "ballast");
        File.WriteAllBytes(ballast, new byte[24 << 20]);
        List<Multihash> stored = [];
        StoreException e = Assert.Throws<StoreException>(() => FillUp(store, stored));
        Assert.True(e.IsNoSpace);
        Assert.Contains("the disk is full", e.Message, StringComparison.Ordinal);
        Assert.InRange(stored.Count, 20, 150);

        if (reserveTaken)
        {
            // Another program takes the reserve: now commits fail too, with a clear error.
            Assert.Throws<IOException>(() => TakeAll(ballast + "2"));
            e = Assert.Throws<StoreException>(() =>
            {
                for (int i = 0; i < 100_000; i++)
                {
                    store.Commit(Record(stored[0]) with { Profile = new string('p', 100_000) }, null);
                }
            });
            Assert.True(e.IsNoSpace, e.Message);
            File.Delete(ballast + "2");
        }
        else
        {
            // The reserve is for these operations.
            store.Commit(Record(stored[0]), null);
            using IGcCycle collection = store.BeginCollection();
            BlockSet marks = new();
            stored.ForEach(hash => marks.Add(hash));
            collection.Sweep(marks, (_, _) => Assert.Fail(), TestContext.Current.CancellationToken);
        }

        AssertThere(store, stored);
        File.Delete(ballast);
        byte[] more = Xs128.Bytes("more", BlockLength);
        Eventually(() => store.Blocks.Put(Multihash.Sha256(more), more));
        Eventually(() => store.Commit(Record(Multihash.Sha256(more)), null));
        stored.Add(Multihash.Sha256(more));
        AssertThere(store, stored);
        store.Dispose();

        using RocksStore again = RocksStore.Open(Path.Combine(_folder.Path, "s"));
        AssertThere(again, stored);
        Assert.NotNull(again.Contents.Get(Record(Multihash.Sha256(more)).Digest));
    }

    [Fact]
    public void A_full_disk_that_fails_the_first_write_after_the_opening_ends_no_process()
    {
        string folder = Path.Combine(_folder.Path, "s");
        RocksStore.Open(folder).Dispose();
        using (RocksStore store = RocksStore.Open(folder))
        {
            string ballast = Path.Combine(_folder.Path, "ballast");
            Assert.Throws<IOException>(() => TakeAll(ballast));

            // RocksDB tries again by itself meanwhile; each attempt ends with empty write buffers.
            long started = TimeProvider.System.GetTimestamp();
            int refused = 0;
            while (TimeProvider.System.GetElapsedTime(started) < TimeSpan.FromSeconds(1))
            {
                Assert.True(Assert.Throws<StoreException>(() => store.Metadata.Put("key"u8, new byte[100_000])).IsNoSpace);
                refused++;
            }

            Assert.True(refused > 1);
            File.Delete(ballast);
            Eventually(() => store.Metadata.Put("key"u8, [1]));
        }

        using RocksStore again = RocksStore.Open(folder);
        Assert.Equal([1], again.Metadata.Get("key"u8));
    }

    public void Dispose()
    {
        if (_mounted)
        {
            Run("umount", "-l", _folder.Path);
        }

        _folder.Dispose();
    }

    private static void FillUp(RocksStore store, List<Multihash> stored)
    {
        for (int i = 0; i < 1000; i++)
        {
            byte[] block = Xs128.Bytes($"full{i}", BlockLength);
            store.Blocks.Put(Multihash.Sha256(block), block);
            stored.Add(Multihash.Sha256(block));
        }
    }

    private static void TakeAll(string file)
    {
        using FileStream stream = new(file, FileMode.CreateNew, FileAccess.Write, FileShare.None, bufferSize: 0);
        while (true)
        {
            stream.Write(new byte[4096]);
        }
    }

    private static void AssertThere(RocksStore store, List<Multihash> stored)
    {
        foreach (Multihash hash in stored)
        {
            using IMemoryOwner<byte>? got = store.Blocks.Get(hash);
            Assert.True(hash.Verifies(got!.Memory.Span));
        }
    }

    private static ContentRecord Record(Multihash hash) => new()
    {
        Digest = new Digest(hash),
        Kind = ContentKind.Blob,
        Root = Cid.V1(Multicodec.Raw, hash),
        Size = BlockLength,
        Owned = true,
        Complete = true,
    };

    // RocksDB checks for free space every five seconds.
    private static void Eventually(Action write)
    {
        long started = TimeProvider.System.GetTimestamp();
        while (true)
        {
            try
            {
                write();
                return;
            }
            catch (StoreException e) when (e.IsNoSpace && TimeProvider.System.GetElapsedTime(started) < TimeSpan.FromSeconds(60))
            {
                Thread.Sleep(50);
            }
        }
    }

    private static bool Run(string program, params string[] arguments)
    {
        using Process process = Process.Start(program, arguments);
        process.WaitForExit();
        return process.ExitCode == 0;
    }
}
