using System.Buffers;
using Ipcs.Blockstore.Compression;
using Ipcs.Blockstore.Interop;
using Ipcs.Blockstore.Rocks;
using Ipcs.Blockstore.Tables;
using Ipcs.Multiformats;
using Ipcs.TestKit;

namespace Ipcs.Blockstore.Tests.Rocks;

public sealed class RocksStoreTests : StoreConformance
{
    private readonly TempFolder _folder = new();

    private RocksStore Rocks => (RocksStore)Store;

    [Fact]
    public void A_second_opener_is_told_that_it_is_in_use()
    {
        _ = Store;
        StoreException e = Assert.Throws<StoreException>(() => RocksStore.Open(_folder.Path));
        Assert.Contains("in use", e.Message, StringComparison.Ordinal);
        Assert.Contains(_folder.Path, e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Everything_is_there_after_closing_and_opening()
    {
        Fill(Store);
        Store.Dispose();
        using RocksStore again = RocksStore.Open(_folder.Path);
        AssertFilled(again);
    }

    [Fact]
    public void Everything_is_there_after_the_folder_is_made_with_its_parents()
    {
        string deep = Path.Combine(_folder.Path, "a", "b ü");
        using (RocksStore store = RocksStore.Open(deep))
        {
            Fill(store);
        }

        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute, File.GetUnixFileMode(deep));
        using RocksStore again = RocksStore.Open(deep);
        AssertFilled(again);
    }

    [Fact]
    public void What_was_committed_survives_a_crash()
    {
        Fill(Store);
        using TempFolder copy = _folder.Copy();
        using RocksStore reopened = RocksStore.Open(copy.Path);
        AssertFilled(reopened);
    }

    [Fact]
    public void A_torn_end_of_the_log_loses_only_what_came_last()
    {
        Fill(Store);
        byte[] last = Xs128.Bytes("last", 50_000);
        Store.Blocks.Put(Multihash.Sha256(last), last);
        using TempFolder copy = _folder.Copy();
        string log = Directory.GetFiles(copy.Path, "*.log").OrderBy(file => file, StringComparer.Ordinal).Last();
        using (FileStream file = File.OpenWrite(log))
        {
            file.SetLength(file.Length - 1000);
        }

        using RocksStore reopened = RocksStore.Open(copy.Path);
        AssertFilled(reopened);
        Assert.False(reopened.Blocks.Has(Multihash.Sha256(last)));
        Assert.Null(reopened.Blocks.Get(Multihash.Sha256(last)));
        reopened.Blocks.Put(Multihash.Sha256(last), last);
        Assert.True(reopened.Blocks.Has(Multihash.Sha256(last)));
    }

    [Theory]
    [InlineData(1, false)]
    [InlineData(4096, false)]
    [InlineData(40_000, false)]
    [InlineData(1, true)]
    [InlineData(40_000, true)]
    public void A_log_that_ends_in_garbage_is_repaired(int length, bool appended)
    {
        Fill(Store);
        for (int i = 0; i < 5; i++)
        {
            PutBlock($"unsynced{i}", 30_000);
        }

        using TempFolder copy = _folder.Copy();
        string log = Directory.GetFiles(copy.Path, "*.log").OrderBy(file => file, StringComparer.Ordinal).Last();
        using (FileStream file = File.OpenWrite(log))
        {
            file.Position = file.Length - (appended ? 0 : length);
            file.Write(Xs128.Bytes("garbage", length));
        }

        using RocksStore reopened = RocksStore.Open(copy.Path);
        AssertFilled(reopened);
        AssertCountersRight(reopened);
        for (int i = 0; i < 5; i++)
        {
            byte[] block = Xs128.Bytes($"unsynced{i}", 30_000);
            using IMemoryOwner<byte>? got = reopened.Blocks.Get(Multihash.Sha256(block));
            Assert.True(got is null ? !appended : got.Memory.Span.SequenceEqual(block));
        }
    }

    [Fact]
    public void A_blob_file_cut_short_is_an_error_and_never_wrong_bytes()
    {
        Multihash[] hashes = [.. Enumerable.Range(0, 10).Select(i => PutBlock($"cut{i}", 100_000))];
        Store.Commit(Record("cut"), null);
        Store.Compact();
        Store.Dispose();
        string blob = Assert.Single(Directory.GetFiles(_folder.Path, "*.blob"));
        using (FileStream file = File.OpenWrite(blob))
        {
            file.SetLength(file.Length - 150_000);
        }

        // RocksDB writes and syncs a file before it uses it, so a truncated file is not the result of a crash and is not trusted.
        using RocksStore again = RocksStore.Open(_folder.Path);
        Assert.NotNull(again.Contents.Get(Record("cut").Digest));
        foreach (Multihash hash in hashes)
        {
            StoreException e = Assert.Throws<StoreException>(() => again.Blocks.Get(hash));
            Assert.True(e.IsCorruption, e.Message);
            Assert.Contains(hash.ToString(), e.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void The_counters_are_right_after_a_crash()
    {
        for (int i = 0; i < 50; i++)
        {
            PutBlock($"n{i}", 1000 * i);
        }

        for (int i = 0; i < 50; i += 3)
        {
            Store.Blocks.Delete(Multihash.Sha256(Xs128.Bytes($"n{i}", 1000 * i)));
        }

        Store.Commit(Record("n"), null);
        using TempFolder copy = _folder.Copy();
        using RocksStore reopened = RocksStore.Open(copy.Path);
        Assert.Equal(33, reopened.GetStatistics().Blocks);
        AssertCountersRight(reopened);
    }

    [Fact]
    public void A_folder_left_by_a_crash_while_it_was_made_opens()
    {
        // Families are created one by one after the schema version is written: as after a crash before the last of them.
        using (OptionSet options = new(new RocksStoreOptions()))
        using (Database database = Database.Open(_folder.Path, options))
        {
            database.Put(ColumnFamily.Default, "!schema"u8, "4"u8, Durability.Synced);
        }

        Fill(Store);
        AssertFilled(Store);
    }

    [Fact]
    public void What_was_put_in_bulk_is_there_after_a_crash_once_something_was_committed()
    {
        PutInBulk("a", 40);
        Store.Ingests.Put(new IngestRecord { Ref = "a", Offset = 40 }, Durability.Deferred);
        Store.Commit(Record("a"), null);
        PutInBulk("b", 5);
        Store.Ingests.Put(new IngestRecord { Ref = "b", Offset = 5 }, Durability.Deferred);
        byte[] logged = Xs128.Bytes("logged", 100_000);
        Store.Blocks.Put(Multihash.Sha256(logged), logged);
        using TempFolder copy = _folder.Copy();
        using RocksStore reopened = RocksStore.Open(copy.Path);
        Assert.All(Enumerable.Range(0, 40), i => Assert.Equal(InBulk("a", i), Read(reopened, InBulk("a", i))));
        Assert.Equal(40, reopened.Ingests.Get("a")!.Offset);
        Assert.All(Enumerable.Range(0, 5), i => Assert.False(reopened.Blocks.Has(Multihash.Sha256(InBulk("b", i)))));
        Assert.Null(reopened.Ingests.Get("b"));
        Assert.Equal(logged, Read(reopened, logged));
        AssertCountersRight(reopened);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void What_was_put_in_bulk_and_synced_by_any_table_is_there_after_a_crash(int table)
    {
        // One test case per store: after some flushes RocksDB compacts files and deletes them during the copy.
        Action<string>[] syncs =
        [
            name => Store.Pins.Put(new PinRecord(Cid.V0(Multihash.Sha256("pin"u8)), Recursive: true, name)),
            name => Store.Contents.Put(Record(name), sync: true),
            _ => Store.Metadata.Put("m"u8, "v"u8, sync: true),
            name => Store.Ingests.Put(new IngestRecord { Ref = name }, Durability.Synced),
        ];
        PutInBulk("s", 3);
        syncs[table]("s");
        using TempFolder copy = _folder.Copy();
        using RocksStore reopened = RocksStore.Open(copy.Path);
        Assert.Equal(InBulk("s", 2), Read(reopened, InBulk("s", 2)));
    }

    [Fact]
    public void A_content_that_is_to_come_is_promised_durably_without_what_came_in_bulk_before()
    {
        PutInBulk("p", 3);
        ContentRecord promise = Record("p") with { Complete = false };
        Store.Contents.Put(promise, sync: true);
        using TempFolder copy = _folder.Copy();
        using RocksStore reopened = RocksStore.Open(copy.Path);
        Assert.Equal(promise.Root, reopened.Contents.Get(promise.Digest)!.Root);
        Assert.False(reopened.Blocks.Has(Multihash.Sha256(InBulk("p", 0))));
    }

    [Fact]
    public void Those_who_commit_at_the_same_time_find_all_of_theirs_after_a_crash()
    {
        string[] names = ["x", "y", "z"];
        Parallel.ForEach(
            names,
            name =>
            {
                PutInBulk(name, 20);
                Store.Commit(Record(name), null);
            });
        using TempFolder copy = _folder.Copy();
        using RocksStore reopened = RocksStore.Open(copy.Path);
        Assert.All(names, name => Assert.Equal(InBulk(name, 19), Read(reopened, InBulk(name, 19))));
    }

    [Fact]
    public void The_counters_are_right_after_a_crash_that_lost_what_was_put_in_bulk()
    {
        PutInBulk("c", 20);
        Store.Blocks.Delete(Multihash.Sha256(InBulk("c", 3)));
        PutInBulk("d", 20);
        using TempFolder copy = _folder.Copy();
        using RocksStore reopened = RocksStore.Open(copy.Path);
        Assert.Equal(19, reopened.GetStatistics().Blocks);
        AssertCountersRight(reopened);
    }

    [Fact]
    public void What_was_put_in_bulk_is_there_after_closing()
    {
        PutInBulk("e", 3);
        Store.Dispose();
        using RocksStore again = RocksStore.Open(_folder.Path);
        Assert.Equal(InBulk("e", 2), Read(again, InBulk("e", 2)));
    }

    [Fact]
    public void Only_blocks_and_ingests_may_go_past_the_log() =>
        Assert.Throws<ArgumentException>(() => Rocks.Database.Put(ColumnFamily.Pins, "k"u8, "v"u8, Durability.Deferred));

    [Fact]
    public void A_damaged_frame_is_corruption()
    {
        byte[] block = new byte[1000];
        Multihash hash = Multihash.Sha256(block);
        using IMemoryOwner<byte> frame = CompressedBlock.TryCompress(block)!;
        Store.Blocks.PutCompressed(hash, frame.Memory.Span);
        byte[] key = [BlockKey.Compressed, .. hash.ToArray()];
        Rocks.Database.Put(ColumnFamily.Blocks, key, frame.Memory.Span[..^3], Durability.Synced);
        StoreException e = Assert.Throws<StoreException>(() => Store.Blocks.Get(hash));
        Assert.True(e.IsCorruption);
        Assert.Contains(Convert.ToHexStringLower(key), e.Message, StringComparison.Ordinal);
        Store.Blocks.PutCompressed(hash, frame.Memory.Span);
        using IMemoryOwner<byte> healed = Store.Blocks.Get(hash)!;
        Assert.Equal(block, healed.Memory.ToArray());
    }

    [Theory]
    [InlineData("1", "it has schema 1, from before the first release; this program reads 4 to 4")]
    [InlineData("3", "it has schema 3, from before the first release; this program reads 4 to 4")]
    [InlineData("5", "a newer version of ipcs made it (schema 5, this program reads up to 4): install that version again")]
    [InlineData("1x", "schema version is damaged")]
    [InlineData("", "schema version is damaged")]
    public void Another_schema_version_is_refused(string version, string reason)
    {
        Rocks.Database.Put(ColumnFamily.Default, "!schema"u8, System.Text.Encoding.ASCII.GetBytes(version), Durability.Synced);
        Store.Dispose();
        AssertRefused(reason);
    }

    [Fact]
    public void A_database_of_another_program_is_refused_and_not_changed()
    {
        using (OptionSet options = new(new RocksStoreOptions()))
        using (Database database = Database.Open(_folder.Path, options))
        {
            database.Put(ColumnFamily.Default, "key"u8, "value"u8, Durability.Synced);
        }

        AssertRefused("of another program");
        using (OptionSet options = new(new RocksStoreOptions()))
        {
            using Database database = Database.Open(_folder.Path, options);
            Assert.True(database.LacksFamilies);
            Assert.Null(database.GetCopy(ColumnFamily.Default, "!schema"u8));
        }
    }

    [Fact]
    public void A_folder_that_lost_its_CURRENT_is_refused_and_keeps_its_data()
    {
        Fill(Store);
        Store.Compact();
        Store.Dispose();
        string current = Path.Combine(_folder.Path, "CURRENT");
        string away = Path.Combine(_folder.Path, "away");
        File.Move(current, away);
        AssertRefused("CURRENT is missing");
        File.Move(away, current);
        using RocksStore again = RocksStore.Open(_folder.Path);
        AssertFilled(again);
    }

    [Fact]
    public void A_file_in_place_of_the_folder_is_refused()
    {
        string file = Path.Combine(_folder.Path, "file");
        File.WriteAllText(file, "");
        StoreException e = Assert.Throws<StoreException>(() => RocksStore.Open(file));
        Assert.Contains(file, e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_damaged_manifest_is_a_clear_error()
    {
        Fill(Store);
        Store.Dispose();
        foreach (string manifest in Directory.GetFiles(_folder.Path, "MANIFEST-*"))
        {
            File.WriteAllBytes(manifest, Xs128.Bytes("m", 500));
        }

        AssertRefused("cannot be opened");
    }

    [Fact]
    public void Damaged_records_name_their_keys()
    {
        Digest digest = Digest.Sha256("d"u8);
        Cid root = Cid.V0(Multihash.Sha256("p"u8));
        Multihash hash = Multihash.Sha256("b"u8);
        byte[] garbage = [0xff, 0xff, 0xff];
        Rocks.Database.Put(ColumnFamily.Contents, RecordCodec.Key(digest), garbage, Durability.Logged);
        Rocks.Database.Put(ColumnFamily.Pins, RecordCodec.Key(root), garbage, Durability.Logged);
        Rocks.Database.Put(ColumnFamily.Blocks, [BlockKey.Ingest, .. "the-ref"u8], garbage, Durability.Logged);
        Rocks.Database.Put(ColumnFamily.Blocks, [BlockKey.Length, .. hash.ToArray()], new byte[20], Durability.Logged);

        AssertDamaged(digest.ToString(), () => Store.Contents.Get(digest));
        AssertDamaged(digest.ToString(), () => Walk(Store.Contents.Enumerate()));
        AssertDamaged(Convert.ToHexStringLower(root.ToArray()), () => Store.Pins.Get(root));
        AssertDamaged("the-ref", () => Store.Ingests.Get("the-ref"));
        AssertDamaged(hash.ToString(), () => Store.Blocks.TryGetLength(hash, out _));
        AssertDamaged(hash.ToString(), () => Walk(Store.Blocks.Enumerate()));
    }

    [Theory]
    [InlineData((int)ColumnFamily.Contents)]
    [InlineData((int)ColumnFamily.Pins)]
    [InlineData((int)ColumnFamily.Blocks)]
    public void Damaged_keys_are_named(int which)
    {
        ColumnFamily family = (ColumnFamily)which;
        Rocks.Database.Put(family, family == ColumnFamily.Blocks ? [BlockKey.Length, 0x7f, 0x80] : [0x7f, 0x80], [], Durability.Logged);
        Action list = family switch
        {
            ColumnFamily.Contents => () => Walk(Store.Contents.Enumerate()),
            ColumnFamily.Pins => () => Walk(Store.Pins.Enumerate()),
            _ => () => Walk(Store.Blocks.Enumerate()),
        };
        Assert.True(Assert.Throws<StoreException>(list).IsCorruption);
    }

    [Fact]
    public void Records_of_nonsense_values_are_damaged()
    {
        Digest digest = Digest.Sha256("d"u8);
        ContentRecord good = Record("d") with { Digest = digest };
        foreach (ContentRecord bad in (ContentRecord[])[good with { Kind = (ContentKind)7 }, good with { Size = -1 }])
        {
            Store.Contents.Put(bad);
            AssertDamaged(digest.ToString(), () => Store.Contents.Get(digest));
        }
    }

    [Fact]
    public void A_block_damaged_on_disk_is_an_exception_and_never_wrong_bytes()
    {
        byte[] block = Xs128.Bytes("rot", 300_000);
        Multihash hash = Multihash.Sha256(block);
        Store.Blocks.Put(hash, block);
        Store.Compact();
        Store.Dispose();
        string blob = Assert.Single(Directory.GetFiles(_folder.Path, "*.blob"));
        using (FileStream file = new(blob, FileMode.Open))
        {
            file.Position = 150_000;
            int old = file.ReadByte();
            file.Position = 150_000;
            file.WriteByte((byte)(old ^ 1));
        }

        using RocksStore again = RocksStore.Open(_folder.Path);
        Assert.True(again.Blocks.Has(hash));
        StoreException e = Assert.Throws<StoreException>(() => again.Blocks.Get(hash));
        Assert.True(e.IsCorruption);
        Assert.Contains(hash.ToString(), e.Message, StringComparison.Ordinal);

        // It counts as absent, so that it is stored anew when it is written again.
        Assert.False(again.Blocks.Has(hash));
        Assert.Null(again.Blocks.Get(hash));
        Assert.Equal((0, 0), (again.GetStatistics().Blocks, again.GetStatistics().BlockBytes));
        again.Blocks.Put(hash, block);
        using IMemoryOwner<byte> healed = again.Blocks.Get(hash)!;
        Assert.Equal(block, healed.Memory.ToArray());
    }

    [Fact]
    public void Blocks_of_a_blob_file_that_is_gone_are_lost_and_heal_one_by_one()
    {
        byte[][] blocks = [.. Enumerable.Range(0, 5).Select(i => Xs128.Bytes($"gone {i}", 20_000))];
        Array.ForEach(blocks, block => Store.Blocks.Put(Multihash.Sha256(block), block));
        Store.Dispose();
        File.Delete(Assert.Single(Directory.GetFiles(_folder.Path, "*.blob")));
        using RocksStore again = RocksStore.Open(_folder.Path);
        List<Multihash> lost = [];
        again.BlockLost += lost.Add;
        Assert.All(blocks, block =>
        {
            Multihash hash = Multihash.Sha256(block);
            Assert.True(Assert.Throws<StoreException>(() => again.Blocks.Get(hash)).IsCorruption);
            Assert.Null(again.Blocks.Get(hash));
            again.Blocks.Put(hash, block);
            using IMemoryOwner<byte> healed = again.Blocks.Get(hash)!;
            Assert.Equal(block, healed.Memory.ToArray());
        });
        Assert.Equal(blocks.Select(block => Multihash.Sha256(block)), lost);
    }

    [Fact]
    public void Blocks_are_listed_and_written_beside_a_damaged_place_of_the_tables()
    {
        // Lengths of some 16,000 blocks are in several blocks of one table.
        byte[][] blocks = [.. Enumerable.Range(0, 16_000).Select(BitConverter.GetBytes)];
        Store.Blocks.PutAll([.. blocks.Select(block => new NewBlock(Multihash.Sha256(block), block, Compressed: false))]);
        Store.Dispose();
        string table = Directory.GetFiles(_folder.Path, "*.sst").MaxBy(file => new FileInfo(file).Length)!;
        byte[] bytes = File.ReadAllBytes(table);
        bytes[bytes.Length * 3 / 4] ^= 1;
        File.WriteAllBytes(table, bytes);
        using RocksStore again = RocksStore.Open(_folder.Path);
        List<StoreException> damage = [];
        HashSet<Multihash> listed = [.. again.Blocks.Enumerate(damage.Add).Select(block => block.Hash)];
        Assert.Single(damage);
        Assert.InRange(listed.Count, 15_000, 15_999);
        Assert.Throws<StoreException>(() => again.Blocks.Enumerate().Count());

        byte[] lost = blocks.First(block => !listed.Contains(Multihash.Sha256(block)));
        again.Blocks.Put(Multihash.Sha256(lost), lost);
        Assert.True(again.Blocks.Has(Multihash.Sha256(lost)));
        using IMemoryOwner<byte> healed = again.Blocks.Get(Multihash.Sha256(lost))!;
        Assert.Equal(lost, healed.Memory.ToArray());
    }

    [Fact]
    public void A_store_whose_disk_fails_a_write_says_that_it_is_broken_and_keeps_what_was_committed()
    {
        using TempFolder elsewhere = new();
        Fill(Store);
        List<StoreException> broken = [];
        Rocks.Broken += broken.Add;

        // New files can't be made any more, as when the process has no descriptor left.
        Directory.Move(_folder.Path, elsewhere["store"]);
        Assert.Throws<StoreException>(Rocks.Compact);
        byte[] later = Xs128.Bytes("later", 50_000);
        Assert.Throws<StoreException>(() => Store.Pins.Put(new PinRecord(Cid.V1(Multicodec.Raw, Multihash.Sha256(later)), false, "")));
        Assert.False(Assert.Single(broken).IsNoSpace);
        Store.Dispose();
        using (RocksStore again = RocksStore.Open(elsewhere["store"]))
        {
            AssertFilled(again);
        }

        Directory.Move(elsewhere["store"], _folder.Path);
    }

    [Fact]
    public void Compacting_gives_the_room_of_deleted_blocks_back()
    {
        for (int i = 0; i < 80; i++)
        {
            Store.Blocks.Put(Multihash.Sha256([(byte)i]), Xs128.Bytes($"c{i}", 1 << 20));
        }

        Store.Compact();
        long full = BytesOnce(90L << 20);
        for (int i = 0; i < 80; i += 2)
        {
            Store.Blocks.Delete(Multihash.Sha256([(byte)i]));
        }

        Store.Compact();
        long half = BytesOnce(45L << 20);
        Assert.InRange(full, 80L << 20, 90L << 20);
        Assert.InRange(half, 40L << 20, 45L << 20);
        for (int i = 0; i < 80; i++)
        {
            using IMemoryOwner<byte>? got = Store.Blocks.Get(Multihash.Sha256([(byte)i]));
            Assert.Equal(i % 2 == 1, got is not null && got.Memory.Span.SequenceEqual(Xs128.Bytes($"c{i}", 1 << 20)));
        }
    }

    // RocksDB deletes obsolete files (mainly logs) shortly after the call has returned.
    private long BytesOnce(long most)
    {
        SpinWait.SpinUntil(() => Store.GetStatistics().Bytes <= most, TimeSpan.FromSeconds(10));
        return Store.GetStatistics().Bytes;
    }

    [Fact]
    public void Storing_again_writes_nothing()
    {
        byte[] block = Xs128.Bytes("again", 1 << 20);
        Multihash hash = Multihash.Sha256(block);
        for (int i = 0; i < 20; i++)
        {
            Store.Blocks.Put(hash, block);
        }

        Assert.InRange(Store.GetStatistics().Bytes, 1 << 20, 3 << 20);
    }

    [Fact]
    public void A_handle_on_a_borrowed_block_outlives_the_owner_and_the_store()
    {
        byte[] block = Xs128.Bytes("pin", 100_000);
        Multihash hash = Multihash.Sha256(block);
        Store.Blocks.Put(hash, block);
        IMemoryOwner<byte> owner = Store.Blocks.Get(hash)!;
        using (MemoryHandle handle = owner.Memory.Pin())
        {
            owner.Dispose();
            Store.Dispose();
            unsafe
            {
                Assert.Equal(block, new ReadOnlySpan<byte>(handle.Pointer, block.Length).ToArray());
            }

            Assert.Contains("in use", Assert.Throws<StoreException>(() => RocksStore.Open(_folder.Path)).Message, StringComparison.Ordinal);
        }

        using RocksStore again = RocksStore.Open(_folder.Path);
        Assert.True(again.Blocks.Has(hash));
    }

    [Theory]
    [InlineData("IO error: No space left on device: While appending to file: /x/000012.log: No space left on device", true, false)]
    [InlineData("IO error: While fdatasync: /x: Disk quota exceeded", true, false)]
    [InlineData("Corruption: block checksum mismatch: stored = 1, computed = 2", false, true)]
    [InlineData("IO error: While pread offset 0: /x: Input/output error", false, false)]
    public void Messages_of_RocksDB_are_told_apart(string message, bool noSpace, bool corruption)
    {
        StoreException e = RocksError.Exception(message, "here");
        Assert.Equal(noSpace, e.IsNoSpace);
        Assert.Equal(corruption, e.IsCorruption);
        Assert.Equal(noSpace ? "here: the disk is full: " + message : "here: " + message, e.Message);
        Assert.False(RocksError.IsLocked(message));
    }

    protected override IStore Open() => RocksStore.Open(_folder.Path);

    protected override void Clean() => _folder.Dispose();

    private static void Fill(IStore store)
    {
        for (int i = 0; i < 10; i++)
        {
            byte[] block = Xs128.Bytes($"f{i}", 60_000 * i);
            store.Blocks.Put(Multihash.Sha256(block), block);
        }

        store.Pins.Put(new PinRecord(Cid.V0(Multihash.Sha256("pin"u8)), Recursive: true, "pin"));
        store.Ingests.Put(new IngestRecord { Ref = "done" });
        store.Ingests.Put(new IngestRecord { Ref = "open", Offset = 7, State = new byte[] { 1, 2 } });
        store.Metadata.Put("m/1"u8, "one"u8);
        store.Commit(Record("filled"), "done");
    }

    private static void AssertFilled(IStore store)
    {
        for (int i = 0; i < 10; i++)
        {
            byte[] block = Xs128.Bytes($"f{i}", 60_000 * i);
            using IMemoryOwner<byte>? got = store.Blocks.Get(Multihash.Sha256(block));
            Assert.Equal(block, got!.Memory.ToArray());
        }

        Assert.Equal("pin", Assert.Single(store.Pins.Enumerate()).Name);
        Assert.Equal(7, Assert.Single(store.Ingests.Enumerate()).Offset);
        Assert.Equal("one"u8.ToArray(), store.Metadata.Get("m/1"u8));
        Assert.Equivalent(Record("filled"), store.Contents.Get(Record("filled").Digest), strict: true);
    }

    private static byte[] InBulk(string name, int number) => Xs128.Bytes($"{name}/{number}", 100_000);

    private static byte[]? Read(IStore store, byte[] block)
    {
        using IMemoryOwner<byte>? got = store.Blocks.Get(Multihash.Sha256(block));
        return got?.Memory.ToArray();
    }

    private void PutInBulk(string name, int count)
    {
        for (int i = 0; i < count; i++)
        {
            Store.Blocks.Put(Multihash.Sha256(InBulk(name, i)), InBulk(name, i), bulk: true);
        }
    }

    private static void AssertCountersRight(IStore store)
    {
        (Multihash Hash, int Length)[] blocks = [.. store.Blocks.Enumerate()];
        StoreStatistics statistics = store.GetStatistics();
        Assert.Equal((blocks.Length, blocks.Sum(block => (long)block.Length)), (statistics.Blocks, statistics.BlockBytes));
    }

    private static void AssertDamaged(string key, Action read)
    {
        StoreException e = Assert.Throws<StoreException>(read);
        Assert.True(e.IsCorruption);
        Assert.Contains(key, e.Message, StringComparison.Ordinal);
    }

    private void AssertRefused(string reason)
    {
        StoreException e = Assert.Throws<StoreException>(() => RocksStore.Open(_folder.Path));
        Assert.Contains(_folder.Path, e.Message, StringComparison.Ordinal);
        Assert.Contains(reason, e.Message, StringComparison.Ordinal);
    }
}
