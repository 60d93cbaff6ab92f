using System.Text.Json;
using CsCheck;
using Ipcs.Dag.DagPb;
using Ipcs.Dag.UnixFs;
using Ipcs.Multiformats;
using Ipcs.TestKit;

namespace Ipcs.Dag.Tests.UnixFs;

public sealed class UnixFsDataTests
{
    private static readonly Gen<UnixFsData> GenData =
        from type in Gen.Enum<UnixFsType>()
        from data in Gen.Byte.Array[0, 50].Null()
        from size in Gen.Long[0, long.MaxValue].Nullable()
        from sizes in Gen.Long[0, long.MaxValue].Array[0, 5]
        from hash in Gen.ULong.Nullable()
        from fanout in Gen.ULong.Nullable()
        from mode in Gen.UInt.Nullable()
        from seconds in Gen.Long.Nullable()
        from nanoseconds in Gen.UInt[0, 999_999_999].Nullable()
        select new UnixFsData
        {
            Type = type,
            Data = data,
            FileSize = size,
            BlockSizes = sizes,
            HashType = hash,
            Fanout = fanout,
            Mode = mode,
            MTime = seconds is { } s ? new UnixFsTime(s, nanoseconds) : null,
        };

    [Fact]
    public void Golden_messages_are_decoded_and_encoded()
    {
        foreach (JsonElement vector in Vectors.Load("dagpb-vectors.json").GetProperty("unixfs").EnumerateArray())
        {
            JsonElement fields = vector.GetProperty("fields");
            byte[] bytes = vector.Hex("hex")!;
            Assert.True(UnixFsData.TryDecode(bytes, out UnixFsData? data), vector.Text("name"));
            Assert.True(data.IsCanonical);
            Assert.Equal(bytes, data.Encode());
            Assert.Equal(fields.Hex("data"), data.Data);
            Assert.Equal(fields.Text("type"), data.Type switch
            {
                UnixFsType.HamtShard => "hamt-sharded-directory",
                UnixFsType other => other.ToString().ToLowerInvariant(),
            });
            if (fields.TryGetProperty("blockSizes", out JsonElement sizes))
            {
                Assert.Equal(sizes.EnumerateArray().Select(size => size.GetInt64()), data.BlockSizes);
            }

            Assert.Equal(fields.TryGetProperty("fanout", out JsonElement fanout) ? fanout.GetUInt64() : null, data.Fanout);
            Assert.Equal(fields.TryGetProperty("hashType", out JsonElement hash) ? hash.GetUInt64() : null, data.HashType);
            Assert.Equal(fields.TryGetProperty("mode", out JsonElement mode) ? mode.GetUInt32() : null, data.Mode);
            Assert.Equal(fields.TryGetProperty("mtime", out JsonElement time) ? Time(time) : null, data.MTime);
        }
    }

    [Fact]
    public void Golden_symlinks_are_decoded_and_encoded()
    {
        foreach (JsonElement vector in Vectors.Load("unixfs-vectors.json").GetProperty("symlinks").EnumerateArray())
        {
            byte[] message = new UnixFsData
            {
                Type = UnixFsType.Symlink,
                Data = System.Text.Encoding.UTF8.GetBytes(vector.Text("target")!),
                Mode = vector.TryGetProperty("mode", out JsonElement mode) ? mode.GetUInt32() : null,
                MTime = vector.TryGetProperty("mtime", out JsonElement time) ? Time(time) : null,
            }.Encode();
            byte[] block = new DagPbNode([], message).Encode();
            Assert.Equal(vector.Text("blockHex"), Convert.ToHexStringLower(block));
            Assert.Equal(vector.Text("cidV0"), Cid.V0(Multihash.Sha256(block)).ToString());
            Assert.Equal(vector.Text("cidV1"), Cid.V1(Multicodec.DagPb, Multihash.Sha256(block)).ToString());
        }
    }

    [Theory]
    [InlineData("")] // no type
    [InlineData("1800")] // no type
    [InlineData("0806")] // an unknown type
    [InlineData("08020802")] // two types
    [InlineData("080218ffffffffffffffffff01")] // a file size of 64 bits
    [InlineData("0a0102")] // the type as bytes
    [InlineData("08021201")] // data cut off
    [InlineData("080238ffffffff7f")] // a mode over 32 bits
    [InlineData("08024200")] // a time without seconds
    [InlineData("08024207080115ffffffff")] // nanoseconds over a second
    public void Malformed_messages_are_refused(string hex) => Assert.False(UnixFsData.TryDecode(Convert.FromHexString(hex), out _));

    [Theory]
    [InlineData("18010802")] // out of order
    [InlineData("0802220201021803")] // packed block sizes
    [InlineData("08024a00")] // an unknown field
    [InlineData("888000" + "02")] // a tag longer than need be
    public void Other_encodings_are_not_canonical(string hex)
    {
        Assert.True(UnixFsData.TryDecode(Convert.FromHexString(hex), out UnixFsData? data));
        Assert.Equal(UnixFsType.File, data.Type);
        Assert.False(data.IsCanonical);
    }

    [Fact]
    public void Messages_round_trip() => GenData.Sample(data =>
    {
        byte[] bytes = data.Encode();
        Assert.True(UnixFsData.TryDecode(bytes, out UnixFsData? decoded));
        Assert.True(decoded.IsCanonical);
        Assert.Equal(bytes, decoded.Encode());
        Assert.Equivalent(data, decoded);
    });

    [Fact]
    public void Canonical_means_that_the_encoding_is_the_same() =>
        Gen.Select(GenData, Gen.Int[0, 1000], Gen.Byte).Sample((data, at, value) =>
    {
        byte[] bytes = data.Encode();
        bytes[at % bytes.Length] = value;
        if (UnixFsData.TryDecode(bytes, out UnixFsData? decoded))
        {
            Assert.Equal(decoded.IsCanonical, decoded.Encode().AsSpan().SequenceEqual(bytes));
        }
    });

    [Fact]
    public void Random_bytes_never_throw() =>
        Gen.Byte.Array[0, 60].Sample(bytes => { _ = UnixFsData.TryDecode((byte[])[8, 2, .. bytes], out _); });

    private static UnixFsTime? Time(JsonElement time) =>
        new UnixFsTime(time.GetProperty("secs").GetInt64(), time.TryGetProperty("nsecs", out JsonElement nsecs) ? nsecs.GetUInt32() : null);
}
