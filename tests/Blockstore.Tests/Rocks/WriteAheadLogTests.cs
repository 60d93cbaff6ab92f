using Ipcs.Blockstore.Rocks;
using Ipcs.Multiformats;
using Ipcs.TestKit;

namespace Ipcs.Blockstore.Tests.Rocks;

public sealed class WriteAheadLogTests : IDisposable
{
    private readonly TempFolder _folder = new();

    [Fact]
    public void Every_record_that_is_appended_is_read()
    {
        byte[][] records = Records();
        using MemoryStream log = Log(records);
        List<byte[]> read = [];
        LogReport report = WriteAheadLog.Scan(log, (record, _) => read.Add(record.ToArray()));
        Assert.Equal(records, read);
        Assert.Equal(new LogReport(records.Length, null, 0, 0, 0, true), report);
    }

    [Fact]
    public void A_log_of_RocksDB_is_read_and_written_as_RocksDB_writes_it()
    {
        using RocksStore store = RocksStore.Open(_folder.Path);
        for (int i = 0; i < 40; i++)
        {
            byte[] block = Xs128.Bytes($"{i}", i * 3000);
            store.Blocks.Put(Multihash.Sha256(block), block);
        }

        using TempFolder copy = _folder.Copy();
        string path = WriteAheadLog.FilesIn(copy.Path)[^1];
        byte[] log = File.ReadAllBytes(path);
        Assert.True(log.Length > 2_000_000);
        LogReport report = WriteAheadLog.Rewrite(path, path + "2");
        Assert.Equal((0, null, 0), (report.LostBytes, report.Damage, report.TornBytes));
        Assert.True(report.Records >= 40);
        Assert.Equal(log, File.ReadAllBytes(path + "2"));
    }

    [Fact]
    public void A_flipped_bit_is_damage_and_costs_the_records_that_have_it()
    {
        byte[][] records = Records();
        byte[] whole = Log(records).ToArray();
        Random random = new(7);
        for (int run = 0; run < 100; run++)
        {
            byte[] log = [.. whole];
            int place = random.Next(log.Length * 9 / 10);
            log[place] ^= (byte)(1 << random.Next(8));
            List<byte[]> read = [];
            LogReport report = WriteAheadLog.Scan(new MemoryStream(log), (record, _) => read.Add(record.ToArray()));
            if (report.Damage is not { } damage)
            {
                // The zeros at the end of a block of the log.
                Assert.Equal(records, read);
                continue;
            }

            Assert.InRange(place, damage, damage + WriteAheadLog.BlockLength);
            Assert.Equal(records.Length - 1, read.Count);
            int lost = Enumerable.Range(0, records.Length).First(i => i == read.Count || !records[i].AsSpan().SequenceEqual(read[i]));
            Assert.Equal([.. records[..lost], .. records[(lost + 1)..]], read);
            Assert.Equal(0, report.TornBytes);
            Assert.True(report.RecordsAfter > 0 && report.LostBytes > 0);
        }
    }

    [Theory]
    [InlineData(0)]
    [InlineData(3)]
    [InlineData(100_000)]
    public void A_torn_end_is_no_damage(int zeros)
    {
        byte[][] records = Records();
        byte[] whole = Log(records).ToArray();
        Random random = new(zeros);
        for (int run = 0; run < 100; run++)
        {
            byte[] log = [.. whole.AsSpan(0, random.Next(whole.Length)), .. new byte[zeros]];
            LogReport report = WriteAheadLog.Scan(new MemoryStream(log));
            Assert.Null(report.Damage);
            Assert.Equal(0, report.LostBytes);
            Assert.True(report.IsCut || report.TornBytes == 0, $"{log.Length} of {whole.Length} bytes");
            Assert.True(report.Records < records.Length);
        }
    }

    [Fact]
    public void Bytes_of_no_log_are_a_torn_end()
    {
        byte[] bytes = Xs128.Bytes("no log", 200_000);
        Assert.Equal(
            new LogReport(0, null, 0, 0, bytes.Length, false), WriteAheadLog.Scan(new MemoryStream(bytes)) with { IsCut = false });
        Assert.Equal(new LogReport(0, null, 0, 0, 0, true), WriteAheadLog.Scan(new MemoryStream()));
    }

    [Theory]
    [InlineData(3)]
    [InlineData(2)]
    public void A_store_whose_log_is_damaged_is_refused_until_it_is_recovered(int part)
    {
        const int Pins = 21;
        using TempFolder copy = MakeStore(Pins);
        string path = WriteAheadLog.FilesIn(copy.Path)[^1];
        byte[] log = File.ReadAllBytes(path);
        log[log.Length / part] ^= 1;
        File.WriteAllBytes(path, log);
        StoreException e = Assert.Throws<StoreException>(() => RocksStore.Open(copy.Path));
        Assert.True(e.IsCorruption);
        Assert.Contains("records come after it", e.Message, StringComparison.Ordinal);
        Assert.Contains("ipcs repo recover", e.Message, StringComparison.Ordinal);
        Assert.Equal(log, File.ReadAllBytes(path));

        List<string> told = [];
        StoreRecovery.Run(copy.Path, told.Add);
        Assert.Contains(told, line => line.Contains(Path.GetFileName(path), StringComparison.Ordinal));
        using (RocksStore store = RocksStore.Open(copy.Path))
        {
            // The damaged record is a pin or a block.
            int pins = store.Pins.Enumerate().Count();
            Assert.InRange(pins, Pins - 1, Pins);
            Assert.InRange(store.Blocks.Enumerate().Count(), Pins - 1, Pins);
            Assert.Equal((2 * Pins) - 1, pins + store.Blocks.Enumerate().Count());
            Assert.Equal(store.GetStatistics().Blocks, store.Blocks.Enumerate().Count());
        }

        Assert.Equal(log, File.ReadAllBytes(Path.Combine(copy.Path + ".damaged", Path.GetFileName(path))));
        Directory.Delete(copy.Path + ".damaged", recursive: true);
    }

    [Fact]
    public void Recovering_an_intact_store_changes_nothing()
    {
        using TempFolder copy = MakeStore(3);
        List<string> told = [];
        StoreRecovery.Run(copy.Path, told.Add);
        Assert.Equal(["nothing is damaged"], told);
        Assert.False(Directory.Exists(copy.Path + ".damaged"));
        using RocksStore store = RocksStore.Open(copy.Path);
        Assert.Equal(3, store.Pins.Enumerate().Count());
    }

    public void Dispose() => _folder.Dispose();

    /// <summary>A store as a killed process leaves it, with blocks of 150 KB, each of them pinned.</summary>
    private TempFolder MakeStore(int pins)
    {
        using RocksStore store = RocksStore.Open(_folder.Path);
        for (int i = 0; i < pins; i++)
        {
            byte[] block = Xs128.Bytes($"{i}", 150_000);
            store.Blocks.Put(Multihash.Sha256(block), block);
            store.Pins.Put(new PinRecord(Cid.V1(Multicodec.Raw, Multihash.Sha256(block)), Recursive: true, Name: ""));
        }

        return _folder.Copy();
    }

    private static byte[][] Records() =>
        [.. Enumerable.Range(0, 60).Select(i => Xs128.Bytes($"record {i}", i % 5 == 0 ? (i * 801) + 1 : (i * 67) + 1))];

    private static MemoryStream Log(byte[][] records)
    {
        var log = new MemoryStream();
        foreach (byte[] record in records)
        {
            WriteAheadLog.Append(log, record);
        }

        log.Position = 0;
        return log;
    }
}
