using System.Buffers;
using CsCheck;
using Ipcs.Blockstore.Memory;
using Ipcs.Dag.Car;
using Ipcs.Dag.Directories;
using Ipcs.Dag.Import;
using Ipcs.Multiformats;
using Ipcs.TestKit;

namespace Ipcs.Dag.Tests.Car;

public sealed class CarTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task The_specifications_header_is_written()
    {
        // The header of the fixture carv1-basic: https://ipld.io/specs/transport/car/fixture/carv1-basic/.
        const string Golden = "63a265726f6f747382d82a58250001711220f88bc853804cf294fe417e4fa83028689fcdb1b1592c5102e1474dbc200fab8b"
            + "d82a5825000171122069ea0740f9807a28f4d932c62e7c1c83be055e55072c90266ab3e79df63a365b6776657273696f6e01";
        Cid[] roots =
        [
            Cid.V1(0x71, new Multihash(
                Multihash.Sha2_256, Convert.FromHexString("f88bc853804cf294fe417e4fa83028689fcdb1b1592c5102e1474dbc200fab8b"))),
            Cid.V1(0x71, new Multihash(
                Multihash.Sha2_256, Convert.FromHexString("69ea0740f9807a28f4d932c62e7c1c83be055e55072c90266ab3e79df63a365b"))),
        ];
        Assert.Equal(Golden[2..], Convert.ToHexStringLower(CarHeader.Encode(roots)));
        using var store = new MemoryStore();
        CarImport import = await CarReader.ReadAsync(new MemoryStream(Convert.FromHexString(Golden)), store.Blocks, Token);
        Assert.Equal(roots, import.Roots);
        Assert.Equal(0, import.Blocks);
    }

    [Fact]
    public async Task Exported_trees_are_imported_again()
    {
        using var store = new MemoryStore();
        Cid[] roots = MakeRoots(store);
        byte[] car = await WriteAsync(store, roots);
        Assert.Equal(car, await WriteAsync(store, roots));

        // Each block once, although the two trees share some.
        using var other = new MemoryStore();
        CarImport import = await CarReader.ReadAsync(new MemoryStream(car), other.Blocks, Token);
        Assert.Equal(roots, import.Roots);
        Assert.Equal(store.Blocks.Enumerate().OrderBy(b => b.Hash.ToString()), other.Blocks.Enumerate().OrderBy(b => b.Hash.ToString()));
        Assert.Equal(other.Blocks.Enumerate().Count(), import.Blocks);
        Assert.Equal(other.Blocks.Enumerate().Sum(block => (long)block.Length), import.Bytes);
        Assert.Equal(car, await WriteAsync(other, roots));

        // Also in pieces of one byte, and from a slow source.
        using var third = new MemoryStore();
        Assert.Equal(import.Blocks, (await CarReader.ReadAsync(new Trickling(car), third.Blocks, Token)).Blocks);
        var slow = new TestSource(store.Blocks) { Before = (_, token) => Task.Delay(1, token) };
        using var stream = new MemoryStream();
        await CarWriter.WriteAsync(roots, slow, stream, Token);
        Assert.Equal(car, stream.ToArray());
        Assert.Equal(0, slow.Held);
        Assert.InRange(slow.MostInFlight, 2, 33);
    }

    [Fact]
    public async Task A_missing_block_is_named()
    {
        using var store = new MemoryStore();
        Cid[] roots = MakeRoots(store);
        Multihash lost = store.Blocks.Enumerate().First(block => block.Hash != roots[0].Hash && block.Hash != roots[1].Hash).Hash;
        store.Blocks.Delete(lost);
        BlockNotFoundException e = await Assert.ThrowsAsync<BlockNotFoundException>(() => WriteAsync(store, roots));
        Assert.Equal(lost, e.Cid.Hash);
        await Assert.ThrowsAsync<ArgumentException>(() => WriteAsync(store, []));
    }

    [Fact]
    public async Task Every_truncation_is_refused()
    {
        using var store = new MemoryStore();
        byte[] car = await WriteAsync(store, [TestDag.Import(store.Blocks, TestDag.Tiny(), Xs128.Bytes("car", 100)).Root]);
        int whole = 0;
        for (int n = 0; n < car.Length; n++)
        {
            using var other = new MemoryStore();
            try
            {
                await CarReader.ReadAsync(new MemoryStream(car, 0, n), other.Blocks, Token);
                whole++;
            }
            catch (DagFormatException)
            {
                // The documented exception.
            }
        }

        // Only truncation between sections passes: after the header and after each block but the last.
        Assert.Equal(store.Blocks.Enumerate().Count(), whole);
    }

    [Theory]
    [InlineData("", "empty")]
    [InlineData("00", "no length")]
    [InlineData("8100a0", "no length")]
    [InlineData("ffffffff7f", "no length")]
    [InlineData("ffffffffffffffffffff01", "no length")]
    [InlineData("0aa16776657273696f6e02", "version 2")]
    [InlineData("01a0", "roots")]
    [InlineData("0aa16776657273696f6e01", "roots")]
    [InlineData("11a265726f6f7473806776657273696f6e02", "not of version 1")]
    [InlineData("12a265726f6f747380677665727369" + "6f6e1801", "not of version 1")]
    [InlineData("12a265726f6f74739800" + "6776657273696f6e01", "roots")]
    [InlineData("12a265726f6f747381" + "006776657273696f6e01", "no CID")]
    [InlineData("11a265726f6f7473806776657273696f6e01" + "0501550000", "cut off")]
    [InlineData("11a265726f6f7473806776657273696f6e01" + "00", "no length")]
    [InlineData("11a265726f6f7473806776657273696f6e01" + "02ffff", "no CID")]
    [InlineData("11a265726f6f7473806776657273696f6e01" + "07015500020102" + "03", "does not have")]
    [InlineData("11a265726f6f7473806776657273696f6e01" + "0601551b020102", "not computed")]
    public async Task Bytes_that_are_no_car_are_refused(string hex, string says)
    {
        using var store = new MemoryStore();
        Assert.Contains(
            says,
            (await Assert.ThrowsAsync<DagFormatException>(
                () => CarReader.ReadAsync(new MemoryStream(Convert.FromHexString(hex)), store.Blocks, Token))).Message,
            StringComparison.Ordinal);
        Assert.Empty(store.Blocks.Enumerate());
    }

    [Fact]
    public async Task Identity_blocks_are_accepted_and_not_stored()
    {
        using var store = new MemoryStore();
        byte[] car = Convert.FromHexString("11a265726f6f7473806776657273696f6e01" + "08015500020102" + "0102");
        car[18] = 8;
        CarImport import = await CarReader.ReadAsync(new MemoryStream(car), store.Blocks, Token);
        Assert.Equal(0, import.Blocks);
        Assert.Empty(store.Blocks.Enumerate());
    }

    [Fact]
    public async Task No_byte_that_fails_its_hash_is_stored()
    {
        using var store = new MemoryStore();
        byte[] car = await WriteAsync(store, MakeRoots(store));
        HashSet<Multihash> good = [.. store.Blocks.Enumerate().Select(block => block.Hash)];
        Gen.Select(Gen.Int[0, car.Length - 1], Gen.Byte).Sample(
            (at, value) =>
            {
                byte[] bad = [.. car];
                bad[at] = value;
                using var other = new MemoryStore();
                try
                {
                    CarReader.ReadAsync(new MemoryStream(bad), other.Blocks, Token).GetAwaiter().GetResult();
                }
                catch (DagFormatException)
                {
                    // The documented exception.
                }

                foreach ((Multihash hash, _) in other.Blocks.Enumerate())
                {
                    using IMemoryOwner<byte> block = other.Blocks.Get(hash)!;
                    Assert.True(hash.Verifies(block.Memory.Span));
                }
            },
            iter: 300);
        Assert.NotEmpty(good);
    }

    [Fact]
    public void Headers_round_trip() => Gen.Byte.Array[0, 300].Array[0, 300].Sample(
        seeds =>
        {
            Cid[] roots = [.. seeds.Select(seed => seed.Length % 2 == 0
                ? Cid.V0(Multihash.Sha256(seed))
                : Cid.V1(Multicodec.Raw, new Multihash(0, seed.AsSpan(0, Math.Min(seed.Length, 128)))))];
            Assert.Null(CarHeader.TryDecode(CarHeader.Encode(roots), out Cid[] read));
            Assert.Equal(roots, read);
        },
        iter: 200);

    [Fact]
    public void Headers_that_were_changed_are_refused_or_canonical()
    {
        byte[] header = CarHeader.Encode([Cid.V0(Multihash.Sha256([])), Cid.V1(Multicodec.Raw, Multihash.Sha256([]))]);
        Gen.Select(Gen.Int[0, header.Length - 1], Gen.Byte, Gen.Int[0, header.Length]).Sample((at, value, length) =>
        {
            byte[] bad = [.. header.AsSpan(0, length)];
            if (at < length)
            {
                bad[at] = value;
            }

            if (CarHeader.TryDecode(bad, out Cid[] roots) is null)
            {
                Assert.Equal(bad, CarHeader.Encode(roots));
            }
        });
    }

    private static Cid[] MakeRoots(MemoryStore store)
    {
        DagRoot file = TestDag.Import(store.Blocks, TestDag.Tiny(raw: false), Xs128.Bytes("car", 500));
        var tree = new TreeBuilder(store.Blocks, ImportProfile.KuboV1, shardThreshold: 0);
        for (int i = 0; i < 40; i++)
        {
            tree.AddFile($"d/{i}", i % 2 == 0 ? file : TestDag.Import(store.Blocks, TestDag.Tiny(), Xs128.Bytes($"{i}", i * 3)));
        }

        return [file.Root, tree.Finish().Root];
    }

    private static async Task<byte[]> WriteAsync(MemoryStore store, Cid[] roots)
    {
        using var stream = new MemoryStream();
        (_, long bytes) = await CarWriter.WriteAsync(roots, new LocalBlockSource(store.Blocks), stream, Token);
        Assert.Equal(stream.Length, bytes);
        return stream.ToArray();
    }

    /// <summary>A stream that gives one byte at a time.</summary>
    private sealed class Trickling(byte[] bytes) : MemoryStream(bytes)
    {
        public override int Read(byte[] buffer, int offset, int count) => base.Read(buffer, offset, Math.Min(count, 1));

        public override int Read(Span<byte> buffer) => base.Read(buffer[..Math.Min(buffer.Length, 1)]);

        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
            base.ReadAsync(buffer[..Math.Min(buffer.Length, 1)], cancellationToken);
    }
}
