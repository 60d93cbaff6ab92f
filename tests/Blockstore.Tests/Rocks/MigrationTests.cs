using System.Buffers;
using System.IO.Compression;
using System.Text;
using Ipcs.Blockstore.Rocks;
using Ipcs.Multiformats;
using Ipcs.TestKit;

namespace Ipcs.Blockstore.Tests.Rocks;

public sealed class MigrationTests : IDisposable
{
    private static readonly Migration Rename = new("keys get another prefix", (database, progress) =>
    {
        List<byte[]> keys = [];
        using (RocksIterator iterator = database.Iterate(ColumnFamily.Peers))
        {
            while (iterator.MoveNext("old"u8) && iterator.Key.StartsWith("old"u8))
            {
                keys.Add(iterator.Key.ToArray());
            }
        }

        long done = 0;
        foreach (byte[] key in keys)
        {
            if (done == 75_000)
            {
                throw new InvalidOperationException("killed");
            }

            using Batch batch = database.NewBatch();
            batch.Delete(ColumnFamily.Peers, key);
            batch.Put(ColumnFamily.Peers, [.. "new"u8, .. key.AsSpan(3)], "value"u8);
            database.Write(batch, Durability.Logged);
            progress(++done);
        }
    });

    private readonly TempFolder _folder = new();

    [Fact]
    public void A_store_of_the_first_release_opens_with_everything_in_it()
    {
        using (Stream vector = Vectors.Open("store-4.zip"))
        {
            ZipFile.ExtractToDirectory(vector, _folder.Path);
        }

        using RocksStore store = RocksStore.Open(_folder.Path);
        byte[] file = Encoding.ASCII.GetBytes("a file of the first release\n");
        byte[] content = Encoding.ASCII.GetBytes(string.Concat(Enumerable.Range(0, 12_000).Select(i => $"line {i} of a content\n")));
        Assert.Equal(
            new PinRecord(Cid.V1(Multicodec.Raw, Multihash.Sha256(file)), Recursive: true, "small"), Assert.Single(store.Pins.Enumerate()));
        ContentRecord record = Assert.Single(store.Contents.Enumerate());
        Assert.Equal(
            (Digest.Sha256(content), content.Length, ContentKind.Blob, true, true),
            (record.Digest, record.Size, record.Kind, record.Owned, record.Complete));
        Assert.Equal("bafybeic32wrppzesl3n62n6xo3dtuf4xxxubw3dufwgslnt5dexz2zoypy", record.Root.ToString());
        Assert.Equal((4, 277_024, 1), (
            store.GetStatistics().Blocks, store.GetStatistics().BlockBytes, store.GetStatistics().Contents));
        foreach (byte[] block in (byte[][])[file, content[..262_144], content[262_144..]])
        {
            using IMemoryOwner<byte> got = store.Blocks.Get(Multihash.Sha256(block))!;
            Assert.Equal(block, got.Memory.ToArray());
        }
    }

    [Fact]
    public void A_migration_that_is_killed_goes_on_at_the_next_start()
    {
        const int Keys = 130_000;
        using (OptionSet set = new(new RocksStoreOptions()))
        {
            RocksStore.Open(_folder.Path).Dispose();
            using Database database = Database.Open(_folder.Path, set);
            for (int i = 0; i < Keys; i++)
            {
                database.Put(ColumnFamily.Peers, Encoding.ASCII.GetBytes($"old{i:D6}"), "value"u8, Durability.Logged);
            }
        }

        List<string> told = [];
        var options = new RocksStoreOptions { OnMigration = told.Add, Migrations = [Rename] };
        Assert.Throws<InvalidOperationException>(() => RocksStore.Open(_folder.Path, options));
        Assert.Equal(2, told.Count);
        Assert.Contains("schema 4 to 5, keys get another prefix", told[0], StringComparison.Ordinal);
        Assert.Contains("50000 records done", told[1], StringComparison.Ordinal);
        using (RocksStore store = RocksStore.Open(_folder.Path, options))
        {
            int renamed = 0;
            using RocksIterator iterator = store.Database.Iterate(ColumnFamily.Peers);
            while (iterator.MoveNext())
            {
                Assert.True(iterator.Key.StartsWith("new"u8));
                renamed++;
            }

            Assert.Equal(Keys, renamed);
        }

        told.Clear();
        RocksStore.Open(_folder.Path, options).Dispose();
        Assert.Empty(told);
        Assert.Contains("a newer version of ipcs", Assert.Throws<StoreException>(() => RocksStore.Open(_folder.Path)).Message);
    }

    public void Dispose() => _folder.Dispose();
}
