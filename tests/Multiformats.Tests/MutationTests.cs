using System.Buffers;
using System.Text;
using System.Text.Json;
using CsCheck;
using Ipcs.TestKit;

namespace Ipcs.Multiformats.Tests;

/// <summary>
/// Mutated golden values: a parser never throws, and what it accepts is encoded to the same bytes again, so that no value has two
/// encodings. The seeds are all vectors, including the invalid ones.
/// </summary>
public sealed class MutationTests
{
    private const int Rounds = 20_000;

    private static readonly JsonElement Cids = Vectors.Load("cid-vectors.json");
    private static readonly JsonElement Addresses = Vectors.Load("multiaddr-vectors.json");
    private static readonly JsonElement Peers = Vectors.Load("peerid-vectors.json");

    [Fact]
    public void No_kind_of_vector_is_left_out()
    {
        Assert.Equal(["header", "cids", "invalidText", "invalidBytes", "varints", "invalidVarints", "identity"], Kinds(Cids));
        Assert.Equal(["header", "pairs", "alias", "invalidText", "invalidBytes"], Kinds(Addresses));
        Assert.Equal(["header", "keys", "parse", "invalid"], Kinds(Peers));
        Assert.Equal([48, 13, 10, 23, 6, 4], Counts(Cids));
        Assert.Equal([21, 3, 12, 9], Counts(Addresses));
        Assert.Equal([8, 5, 6], Counts(Peers));
    }

    [Fact]
    public void Mutated_varints_have_one_encoding(
        ) => Each([.. Bytes(Cids, "varints", "hex"), .. Bytes(Cids, "invalidVarints", "hex")], bytes =>
    {
        if (Varint.TryRead(bytes, out ulong value, out int consumed) == OperationStatus.Done)
        {
            byte[] again = new byte[Varint.MaxLength];
            Assert.Equal(bytes[..consumed], again[..Varint.Write(again, value)]);
        }
    });

    [Fact]
    public void Mutated_multihashes_have_one_encoding(
        ) => Each([.. Bytes(Cids, "cids", "multihashHex"), .. Bytes(Cids, "identity", "multihashHex")], bytes =>
    {
        if (Multihash.TryRead(bytes, out Multihash hash, out int consumed) == OperationStatus.Done)
        {
            Assert.Equal(bytes[..consumed], hash.ToArray());
            _ = hash.Verifies(bytes);
        }
    });

    [Fact]
    public void Mutated_binary_CIDs_have_one_encoding() => Each(
        [.. Bytes(Cids, "cids", "bytesHex"), .. Bytes(Cids, "identity", "cidBytesHex"), .. Bytes(Cids, "invalidBytes", "bytesHex")],
        bytes =>
        {
            OperationStatus status = Cid.TryRead(bytes, out Cid cid, out int consumed);
            Assert.Equal(status == OperationStatus.Done && consumed == bytes.Length, Cid.TryParse(bytes, out _));
            if (status == OperationStatus.Done)
            {
                Assert.Equal(bytes[..consumed], cid.ToArray());
                Assert.Equal(cid, Cid.Parse(cid.ToString()));
            }
        });

    [Fact]
    public void Mutated_CID_texts_are_refused_or_round_trip() => EachText(
        [
            .. Texts(Cids, "cids", "base16", "base32", "base32upper", "base36", "base58btc", "base64", "base64url", "v0"),
            .. Texts(Cids, "invalidText", "text"),
        ],
        text =>
        {
            if (Cid.TryParse(text, out Cid cid))
            {
                Assert.Equal(cid, Cid.Parse(cid.ToString()));
                if (cid.Version == 0)
                {
                    Assert.Equal(text, cid.ToString());
                }
            }
        });

    [Fact]
    public void Mutated_multibase_texts_have_one_encoding() => EachText(
        [.. Texts(Cids, "cids", "base16", "base32", "base32upper", "base36", "base58btc", "base64", "base64url")],
        text =>
        {
            if (Multibase.TryDecode(text, out byte[]? bytes) && Enum.IsDefined((MultibaseEncoding)text[0]) && text[0] != 'f')
            {
                Assert.Equal(text, Multibase.Encode((MultibaseEncoding)text[0], bytes));
            }
        });

    [Fact]
    public void Long_texts_are_refused_at_once()
    {
        // Decoding base58 and base36 takes quadratic time.
        Assert.False(Multibase.TryDecode("z" + new string('z', 1_000_000), out _));
        Assert.False(Multibase.TryDecode("k" + new string('z', 1_000_000), out _));
        Assert.False(Multibase.TryDecodeBase58(new string('z', 1_000_000), out _));
        Assert.True(Multibase.TryDecode("z" + new string('z', Multibase.MaxRadixLength), out _));
    }

    [Fact]
    public void Mutated_binary_addresses_have_one_encoding(
        ) => Each([.. Bytes(Addresses, "pairs", "hex"), .. Bytes(Addresses, "invalidBytes", "hex")], bytes =>
    {
        if (Multiaddr.TryParse(bytes, out Multiaddr? address))
        {
            Assert.Equal(bytes, address.Bytes.ToArray());
            Assert.Equal(address, Multiaddr.Parse(address.ToString()));
            _ = address.TryGetTcp(out _, out _);
            _ = address.PeerId;
        }
    });

    [Fact]
    public void Mutated_address_texts_are_refused_or_round_trip() => EachText(
        [.. Texts(Addresses, "pairs", "text"), .. Texts(Addresses, "alias", "text"), .. Texts(Addresses, "invalidText", "text")],
        text =>
        {
            if (Multiaddr.TryParse(text, out Multiaddr? address))
            {
                Assert.Equal(address, Multiaddr.Parse(address.ToString()));
            }
        });

    [Fact]
    public void Mutated_binary_peer_ids_have_one_encoding(
        ) => Each([.. Bytes(Peers, "keys", "peerIdMultihashHex"), .. Bytes(Peers, "parse", "multihashHex")], bytes =>
    {
        if (PeerId.TryParse(bytes, out PeerId peer))
        {
            Assert.Equal(bytes, peer.ToArray());
            Assert.Equal(peer, PeerId.Parse(peer.ToString()));
            Assert.Equal(peer, PeerId.Parse(peer.ToCid().ToString()));
        }
    });

    [Fact]
    public void Mutated_peer_id_texts_are_refused_or_round_trip() => EachText(
        [
            .. Texts(Peers, "keys", "peerId", "peerIdCidV1Base32", "peerIdCidV1Base36"),
            .. Texts(Peers, "parse", "text"),
            .. Texts(Peers, "invalid", "text"),
        ],
        text =>
        {
            if (PeerId.TryParse(text, out PeerId peer))
            {
                Assert.Equal(peer, PeerId.Parse(peer.ToString()));
            }
        });

    [Fact]
    public void Mutated_digests_have_one_text(
        ) => EachText([Digest.Sha256([]).ToString(), "sha512:" + new string('0', 128), "sha384:" + new string('a', 96)], text =>
    {
        if (Digest.TryParse(text, out Digest digest))
        {
            Assert.Equal(text, digest.ToString());
        }
    });

    private static void Each(IReadOnlyList<byte[]> seeds, Action<byte[]> check)
    {
        Assert.NotEmpty(seeds);
        foreach (byte[] seed in seeds)
        {
            check(seed);
        }

        Gen.Int.Sample(number => check(Mutation.Of(seeds, number)), iter: Rounds);
    }

    private static void EachText(IReadOnlyList<string> seeds, Action<string> check)
    {
        foreach (string seed in seeds)
        {
            check(seed);
        }

        byte[][] bytes = [.. seeds.Select(Encoding.Latin1.GetBytes)];
        Gen.Int.Sample(number => check(Encoding.Latin1.GetString(Mutation.Of(bytes, number))), iter: Rounds);
    }

    private static byte[][] Bytes(JsonElement vectors, string kind, string property) =>
        [.. vectors.GetProperty(kind).EnumerateArray().Select(vector => vector.Hex(property)).OfType<byte[]>()];

    private static string[] Texts(JsonElement vectors, string kind, params string[] properties) =>
    [
        .. vectors.GetProperty(kind).EnumerateArray()
            .SelectMany(vector => properties.Select(property => vector.Text(property)))
            .OfType<string>(),
    ];

    private static string[] Kinds(JsonElement vectors) => [.. vectors.EnumerateObject().Select(kind => kind.Name)];

    private static int[] Counts(JsonElement vectors) =>
    [
        .. vectors.EnumerateObject()
            .Where(kind => kind.Value.ValueKind == JsonValueKind.Array)
            .Select(kind => kind.Value.GetArrayLength()),
    ];
}
