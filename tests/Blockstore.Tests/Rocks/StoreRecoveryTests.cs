using System.Buffers;
using Ipcs.Blockstore.Compression;
using Ipcs.Blockstore.Rocks;
using Ipcs.Multiformats;
using Ipcs.TestKit;

namespace Ipcs.Blockstore.Tests.Rocks;

public sealed class StoreRecoveryTests : IDisposable
{
    private const int Contents = 300;

    private readonly TempFolder _folder = new();

    [Theory]
    [InlineData("MANIFEST-*")]
    [InlineData("CURRENT")]
    public void Everything_is_kept_when_the_list_of_files_is_damaged(string pattern)
    {
        Fill();
        foreach (string path in Directory.GetFiles(_folder.Path, pattern))
        {
            File.WriteAllBytes(path, Xs128.Bytes(pattern, 200));
        }

        List<string> told = Recover();
        Assert.Contains(told, line => line.StartsWith($"{Contents} contents, {Contents} pins", StringComparison.Ordinal));
        AssertKept(leastContents: Contents, leastBlocks: 2 * Contents);
    }

    [Fact]
    public void Everything_is_kept_when_CURRENT_is_missing()
    {
        Fill();
        File.Delete(_folder["CURRENT"]);
        Recover();
        AssertKept(leastContents: Contents, leastBlocks: 2 * Contents);
    }

    /// <summary>
    /// In 200 places, each file in turn: the store opens, and every read is an error or gives the right bytes; or it does not open, and
    /// says so. In both cases it is healed: what was lost can be put again, or <see cref="StoreRecovery"/> keeps the rest.
    /// </summary>
    [Fact]
    public void A_flipped_bit_in_any_file_costs_at_most_what_is_there()
    {
        Fill();
        Random random = new(11);
        string[] files = [.. Directory.GetFiles(_folder.Path).Where(file => new FileInfo(file).Length > 0).Order(StringComparer.Ordinal)];
        Assert.True(files.Count(file => Path.GetExtension(file) is ".sst") >= 3);
        Assert.Contains(files, file => Path.GetExtension(file) is ".blob");
        int opened = 0, refused = 0;
        for (int run = 0; run < 200; run++)
        {
            using TempFolder copy = _folder.Copy();
            string path = copy[Path.GetFileName(files[run % files.Length])], name = Path.GetFileName(path);
            byte[] bytes = File.ReadAllBytes(path);
            bytes[random.Next(bytes.Length)] ^= (byte)(1 << random.Next(8));
            File.WriteAllBytes(path, bytes);
            try
            {
                using RocksStore store = RocksStore.Open(copy.Path);
                AssertRightOrLost(store, name);
                AssertHealedByPuts(store, name);
                opened++;
            }
            catch (StoreException e) when (e.IsCorruption)
            {
                StoreRecovery.Run(copy.Path, _ => { });
                using RocksStore store = RocksStore.Open(copy.Path);
                AssertRightOrLost(store, name);
                refused++;
            }

            if (Directory.Exists(copy.Path + ".damaged"))
            {
                Directory.Delete(copy.Path + ".damaged", recursive: true);
            }
        }

        Assert.True(opened > 20 && refused > 20, $"{opened} stores opened, {refused} had to be recovered");
    }

    [Fact]
    public void A_store_in_use_is_not_recovered()
    {
        using RocksStore store = RocksStore.Open(_folder.Path);
        StoreException e = Assert.Throws<StoreException>(() => StoreRecovery.Run(_folder.Path, _ => { }));
        Assert.Contains("in use", e.Message, StringComparison.Ordinal);
        Assert.Throws<StoreException>(() => StoreRecovery.Run(_folder["none"], _ => { }));
    }

    public void Dispose() => _folder.Dispose();

    private static byte[] Large(int i) => Xs128.Bytes($"large {i}", 5000 + i);

    private static byte[] Small(int i) => Xs128.Bytes($"small {i}", 200 + i);

    private void Fill()
    {
        using RocksStore store = RocksStore.Open(_folder.Path);
        for (int i = 0; i < Contents; i++)
        {
            byte[] large = Large(i), small = Small(i);
            Cid root = Cid.V1(Multicodec.Raw, Multihash.Sha256(large));
            store.Blocks.Put(root.Hash, large);
            store.Blocks.Put(Multihash.Sha256(small), small);
            store.Pins.Put(new PinRecord(root, Recursive: true, Name: ""));
            store.Contents.Put(new ContentRecord
            {
                Digest = Digest.Sha256(large),
                Kind = ContentKind.Blob,
                Root = root,
                Size = large.Length,
                Owned = true,
                Complete = true,
            });
        }
    }

    /// <summary>
    /// Reads every block of a damaged store. One that is damaged gives an error and is deleted, so that it is fetched again.
    /// </summary>
    private static void AssertRightOrLost(RocksStore store, string name)
    {
        int contents = store.Contents.Enumerate().Count(), blocks = 0;
        foreach ((Multihash hash, int length) in store.Blocks.Enumerate())
        {
            try
            {
                using IMemoryOwner<byte>? block = store.Blocks.Get(hash);
                Assert.True(block is not null && block.Memory.Length == length && hash.Verifies(block.Memory.Span));
                blocks++;
            }
            catch (StoreException e) when (e.IsCorruption)
            {
                Assert.False(store.Blocks.Has(hash));
            }
        }

        // A table of this size has a few places, and a damaged footer takes a whole one.
        Assert.True(contents == Contents || name.EndsWith(".sst", StringComparison.Ordinal), $"{name}: {contents} contents");
        Assert.True(blocks >= (2 * Contents) - 1 || name.EndsWith(".sst", StringComparison.Ordinal), $"{name}: {blocks} blocks");
        Assert.True(blocks >= Contents, $"{name}: {blocks} blocks are left, and the blob files have {Contents}");
    }

    /// <summary>Puts what was lost, as a fetch from a peer does, and reads all of it.</summary>
    private static void AssertHealedByPuts(RocksStore store, string name)
    {
        foreach (byte[] bytes in Enumerable.Range(0, Contents).SelectMany(i => new[] { Large(i), Small(i) }))
        {
            var hash = Multihash.Sha256(bytes);
            if (!store.Blocks.Has(hash))
            {
                store.Blocks.Put(hash, bytes);
            }

            using IMemoryOwner<byte>? block = store.Blocks.Get(hash);
            Assert.True(block is not null && block.Memory.Span.SequenceEqual(bytes), $"{name}: {hash} is not healed");
        }
    }

    private List<string> Recover()
    {
        Assert.True(Assert.Throws<StoreException>(() => RocksStore.Open(_folder.Path)).IsCorruption);
        List<string> told = [];
        StoreRecovery.Run(_folder.Path, told.Add);
        Directory.Delete(_folder.Path + ".damaged", recursive: true);
        return told;
    }

    private void AssertKept(int leastContents, int leastBlocks)
    {
        using RocksStore store = RocksStore.Open(_folder.Path);
        Assert.InRange(store.Contents.Enumerate().Count(), leastContents, Contents);
        Assert.InRange(store.GetStatistics().Blocks, leastBlocks, 2 * Contents);
        foreach ((Multihash hash, int length) in store.Blocks.Enumerate())
        {
            using IMemoryOwner<byte>? block = store.Blocks.Get(hash);
            Assert.True(block is not null && block.Memory.Length == length && hash.Verifies(block.Memory.Span));
        }
    }
}
