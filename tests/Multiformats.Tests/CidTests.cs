using System.Buffers;
using System.Text.Json;
using CsCheck;
using Ipcs.TestKit;

namespace Ipcs.Multiformats.Tests;

public sealed class CidTests
{
    private static readonly JsonElement Golden = Vectors.Load("cid-vectors.json");

    [Fact]
    public void Golden_CIDs_round_trip()
    {
        int count = 0;
        foreach (JsonElement vector in Golden.GetProperty("cids").EnumerateArray())
        {
            byte[] bytes = vector.Hex("bytesHex")!;
            Assert.True(Cid.TryParse(bytes, out Cid cid), vector.GetRawText());
            Assert.Equal(vector.GetProperty("version").GetInt32(), cid.Version);
            Assert.Equal(vector.GetProperty("codecCode").GetUInt32(), cid.Codec);
            Multihash hash = cid.Hash;
            Assert.Equal(vector.GetProperty("hashCode").GetUInt32(), hash.Code);
            Assert.Equal(vector.Hex("digestHex"), hash.Digest.ToArray());
            Assert.Equal(vector.Hex("multihashHex"), hash.ToArray());
            Assert.Equal(bytes, cid.ToArray());
            Assert.Equal(bytes.Length, cid.Length);
            if (Multihash.TryCompute(hash.Code, vector.Hex("dataHex"), out Multihash computed))
            {
                Assert.Equal(hash, computed);
                Assert.True(hash.Verifies(vector.Hex("dataHex")));
            }

            foreach ((string property, MultibaseEncoding encoding) in new[]
            {
                ("base16", MultibaseEncoding.Base16), ("base32", MultibaseEncoding.Base32), ("base32upper", MultibaseEncoding.Base32Upper),
                ("base36", MultibaseEncoding.Base36), ("base58btc", MultibaseEncoding.Base58Btc), ("base64", MultibaseEncoding.Base64),
                ("base64url", MultibaseEncoding.Base64Url),
            })
            {
                if (vector.Text(property) is not { } text)
                {
                    continue;
                }

                Assert.Equal(text, cid.ToString(encoding));
                Assert.True(Cid.TryParse(text, out Cid parsed), text);
                Assert.Equal(cid, parsed);
            }

            if (vector.Text("v0") is { } v0)
            {
                Assert.Equal(v0, Cid.V0(hash).ToString());
                Assert.Equal(cid, Cid.Parse(v0).ToV1());
            }

            if (vector.Text("v1base32") is { } v1)
            {
                Assert.Equal(v1, cid.ToV1().ToString());
            }

            if (vector.Hex("bitswapPrefixHex") is { } prefix && cid.Version == 1)
            {
                Assert.Equal(prefix, bytes[..prefix.Length]);
            }

            count++;
        }

        Assert.Equal(48, count);
    }

    [Fact]
    public void Identity_hashes_match_the_vectors()
    {
        foreach (JsonElement vector in Golden.GetProperty("identity").EnumerateArray())
        {
            byte[] data = vector.Hex("dataHex")!;
            var hash = new Multihash(Multihash.Identity, data);
            Assert.Equal(vector.Hex("multihashHex"), hash.ToArray());
            Cid cid = Cid.V1(Multicodec.Raw, hash);
            Assert.Equal(vector.Text("cid"), cid.ToString());
            Assert.Equal(vector.Hex("cidBytesHex"), cid.ToArray());
            Assert.Equal(cid, Cid.Parse(vector.Text("cid")!));
        }
    }

    [Fact]
    public void Invalid_text_is_refused()
    {
        foreach (JsonElement vector in Golden.GetProperty("invalidText").EnumerateArray())
        {
            Assert.False(Cid.TryParse(vector.Text("text"), out Cid cid), vector.GetRawText());
            Assert.True(cid.IsDefault);
        }

        Assert.False(Cid.TryParse((string?)null, out _));
        Assert.False(Cid.TryParse(new string('z', 100_000), out _));
        Assert.Throws<FormatException>(() => Cid.Parse("no"));
    }

    [Theory]
    [InlineData("bafkqaaaa")]
    [InlineData("mAVUAAB")]
    [InlineData("uAVUA=")]
    [InlineData("uAVUA+")]
    public void Non_canonical_forms_are_refused(string text) => Assert.False(Cid.TryParse(text, out _));

    [Fact]
    public void Invalid_bytes_are_refused()
    {
        foreach (JsonElement vector in Golden.GetProperty("invalidBytes").EnumerateArray())
        {
            bool parsed = Cid.TryParse(vector.Hex("bytesHex"), out _);
            if (vector.GetProperty("mustReject").GetBoolean())
            {
                Assert.False(parsed, vector.GetRawText());
            }
        }
    }

    [Fact]
    public void Every_prefix_needs_more_data()
    {
        foreach (JsonElement vector in Golden.GetProperty("cids").EnumerateArray())
        {
            byte[] bytes = vector.Hex("bytesHex")!;
            for (int n = 0; n < bytes.Length; n++)
            {
                Assert.Equal(OperationStatus.NeedMoreData, Cid.TryRead(bytes.AsSpan(0, n), out _, out int consumed));
                Assert.Equal(0, consumed);
            }

            byte[] longer = [.. bytes, 1, 2, 3];
            Assert.Equal(OperationStatus.Done, Cid.TryRead(longer, out _, out int all));
            Assert.Equal(bytes.Length, all);
        }
    }

    [Fact]
    public void Varints_match_the_vectors()
    {
        byte[] buffer = new byte[Varint.MaxLength];
        foreach (JsonElement vector in Golden.GetProperty("varints").EnumerateArray())
        {
            ulong value = ulong.Parse(vector.Text("value")!);
            byte[] bytes = vector.Hex("hex")!;
            Assert.Equal(OperationStatus.Done, Varint.TryRead(bytes, out ulong read, out int consumed));
            Assert.Equal(value, read);
            Assert.Equal(bytes.Length, consumed);
            Assert.Equal(bytes, buffer[..Varint.Write(buffer, value)]);
            Assert.Equal(bytes.Length, Varint.Length(value));
        }

        foreach (JsonElement vector in Golden.GetProperty("invalidVarints").EnumerateArray())
        {
            Assert.NotEqual(OperationStatus.Done, Varint.TryRead(vector.Hex("hex"), out _, out _));
        }

        Assert.Throws<ArgumentOutOfRangeException>(() => Varint.Length(ulong.MaxValue));
        Assert.Throws<ArgumentException>(() => Varint.Write(new byte[1], 128));
    }

    [Fact]
    public void Varints_round_trip() => Gen.ULong[0, long.MaxValue].Sample(value =>
    {
        byte[] buffer = new byte[Varint.MaxLength];
        int n = Varint.Write(buffer, value);
        return Varint.TryRead(buffer.AsSpan(0, n), out ulong read, out int consumed) == OperationStatus.Done
            && read == value && consumed == n;
    });

    [Fact]
    public void Random_bytes_never_throw() => Gen.Byte.Array[0, 60].Sample(bytes =>
    {
        if (Cid.TryParse(bytes, out Cid cid))
        {
            Assert.Equal(bytes, cid.ToArray());
            Assert.Equal(cid, Cid.Parse(cid.ToString()));
        }

        _ = Multiaddr.TryParse(bytes, out _);
        _ = PeerId.TryParse(bytes, out _);
    });

    [Fact]
    public void Random_text_never_throws() => Gen.String.Sample(text =>
    {
        foreach (char prefix in "fFbBkKzmuQ1/")
        {
            _ = Cid.TryParse(prefix + text, out _);
            _ = PeerId.TryParse(prefix + text, out _);
            _ = Multiaddr.TryParse(prefix + text, out _);
            _ = Digest.TryParse("sha256:" + text, out _);
        }
    });

    [Fact]
    public void Every_base_round_trips() => Gen.Select(Gen.Enum<MultibaseEncoding>(), Gen.Byte.Array[1, 50]).Sample((encoding, bytes) =>
    {
        string text = Multibase.Encode(encoding, bytes);
        return Multibase.TryDecode(text, out byte[]? decoded) && decoded.AsSpan().SequenceEqual(bytes);
    });
}
