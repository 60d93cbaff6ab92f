using Google.Protobuf;
using Ipcs.Blockstore;
using Ipcs.Fleet.Resolve;
using Ipcs.Multiformats;
using Ipcs.TestKit;
using Content = Ipcs.Fleet.Resolve.Proto.Content;

namespace Ipcs.Fleet.Tests.Resolve;

/// <summary>The bytes of resolve messages, as hosts with older versions write and read them.</summary>
public sealed class ResolveWireTests
{
    private static readonly Digest One = Digest.Sha256("one"u8);

    private static readonly ContentRecord Record = new()
    {
        Digest = One,
        Root = Cid.V1(Multicodec.Raw, One.Hash),
        Kind = ContentKind.Blob,
        Size = 3,
        Profile = "",
        Complete = false,
    };

    [Fact]
    public void Fields_with_their_default_values_are_written()
    {
        string hash = Convert.ToHexStringLower(One.Hash.ToArray());
        Assert.Equal(
            $"0a22{hash}" + "1000" + $"1a240155{hash}" + "2003" + "2a00" + "3000",
            Convert.ToHexStringLower(ResolveWire.ContentOf(Record, default).ToByteArray()));
        Assert.Equal($"0a22{hash}", Convert.ToHexStringLower(ResolveWire.EncodeQuestion([new ResolveQuestion(One, 0)])));
    }

    [Fact]
    public void Recorded_messages_are_written_as_they_were()
    {
        Digest two = Sha512("two"u8);
        foreach (byte[] seed in Corpus.Seeds("fleet.txt", "answer"))
        {
            Assert.True(ResolveWire.TryDecodeAnswer(seed, [One, two], out ResolveAnswer decoded));
            Assert.True(decoded.Contents.Count + decoded.Growing.Count > 0);
            var answer = new Ipcs.Fleet.Resolve.Proto.Answer
            {
                Content = { decoded.Contents.Select(content => ResolveWire.ContentOf(content.Record, content.RootBlock.Span)) },
                Growing = { decoded.Growing.Select(ResolveWire.GrowingOf) },
            };
            Assert.Equal(seed, answer.ToByteArray());
        }
    }

    [Fact]
    public void A_root_block_has_to_have_the_roots_hash()
    {
        Content content = ResolveWire.ContentOf(Record, "one"u8);
        Assert.Equal("one"u8, Assert.Single(Decode(content.ToByteArray())!).RootBlock.Span);
        content.Block = ByteString.CopyFromUtf8("two");
        Assert.Null(Decode(content.ToByteArray()));
    }

    [Fact]
    public void Known_fields_that_are_absent_or_out_of_range_are_refused()
    {
        foreach (Action<Content> spoil in (Action<Content>[])
        [
            c => c.ClearDigest(), c => c.ClearKind(), c => c.ClearRoot(), c => c.ClearSize(), c => c.ClearProfile(), c => c.ClearComplete(),
            c => c.Kind = 2, c => c.Size = 1UL << 63, c => c.Profile = new string('a', 65), c => c.Profile = new string('\u00e9', 33),
            c => c.Digest = ByteString.CopyFromUtf8("no"), c => c.Root = ByteString.CopyFromUtf8("no"),
        ])
        {
            Content content = ResolveWire.ContentOf(Record, default);
            Assert.NotNull(Decode(content.ToByteArray()));
            spoil(content);
            Assert.Null(Decode(content.ToByteArray()));
        }
    }

    [Fact]
    public void Unknown_fields_are_skipped_and_a_known_one_of_another_wire_type_counts_as_absent()
    {
        byte[] content = ResolveWire.ContentOf(Record, default).ToByteArray();
        Assert.Equal(Record.Size, Assert.Single(Decode([.. content, 0x40, 0x01, 0x4a, 0x00])!).Record.Size);

        // The last three fields are size, profile and complete, of two bytes each.
        int size = content.Length - 6;
        Assert.Equal(0x20, content[size]);
        Assert.Null(Decode([.. content[..size], 0x22, 0x00, .. content[(size + 2)..]]));
        Assert.Null(Decode([.. content, 0x0b]));
        Assert.Null(Decode(content[..^1]));
    }

    [Fact]
    public void Questions_and_answers_are_bounded()
    {
        Digest[] most = [.. Enumerable.Range(0, ResolveWire.MaxDigests).Select(i => Digest.Sha256(BitConverter.GetBytes(i)))];
        ResolveQuestion[] asked = [.. most.Select((d, i) => new ResolveQuestion(d, i % 3 == 0 ? ResolveWire.MaxKnown : 0))];
        Assert.True(ResolveWire.TryDecodeQuestion(ResolveWire.EncodeQuestion(asked), out List<ResolveQuestion> questions));
        Assert.Equal(asked, questions);
        Assert.False(ResolveWire.TryDecodeQuestion(ResolveWire.EncodeQuestion([.. asked, new ResolveQuestion(One, 0)]), out _));
        ResolveQuestion[] tooMany = [new(One, ResolveWire.MaxKnown + 1)];
        Assert.False(ResolveWire.TryDecodeQuestion(ResolveWire.EncodeQuestion(tooMany), out _));
        var answer = new Ipcs.Fleet.Resolve.Proto.Answer
        {
            Content = { most.Select(d => ResolveWire.ContentOf(Record with { Digest = d }, default)) },
        };
        Assert.True(ResolveWire.TryDecodeAnswer(answer.ToByteArray(), most, out ResolveAnswer decoded));
        Assert.Equal(most, decoded.Contents.Select(c => c.Record.Digest));
        Assert.False(ResolveWire.TryDecodeAnswer(answer.ToByteArray(), most[1..], out _));
        answer.Content.Add(answer.Content[0]);
        Assert.False(ResolveWire.TryDecodeAnswer(answer.ToByteArray(), most, out _));
    }

    [Fact]
    public void A_growing_content_is_written_and_read()
    {
        Multihash[] chunks = [Multihash.Sha256("a"u8), Multihash.Sha256("b"u8)];
        var part = new GrowingPart(One, Size: 7, "kubo-v1", Written: 5, chunks);
        var answer = new Ipcs.Fleet.Resolve.Proto.Answer { Growing = { ResolveWire.GrowingOf(part) } };
        Assert.True(ResolveWire.TryDecodeAnswer(answer.ToByteArray(), [One], out ResolveAnswer decoded));
        GrowingPart read = Assert.Single(decoded.Growing);
        Assert.Equal(part with { Chunks = [] }, read with { Chunks = [] });
        Assert.Equal(chunks, read.Chunks);
        Assert.False(ResolveWire.TryDecodeAnswer(answer.ToByteArray(), [Sha512("two"u8)], out _));
        foreach (Action<Ipcs.Fleet.Resolve.Proto.Growing> spoil in (Action<Ipcs.Fleet.Resolve.Proto.Growing>[])
        [
            g => g.ClearDigest(), g => g.ClearSize(), g => g.ClearProfile(), g => g.ClearWritten(), g => g.Size = 0, g => g.Written = 8,
            g => g.Size = 1UL << 63, g => g.Profile = new string('a', 65), g => g.Chunks = ByteString.CopyFrom(new byte[33]),
            g => g.Chunks = ByteString.CopyFrom(new byte[32 * (ResolveWire.MaxChunks + 1)]),
        ])
        {
            answer = new Ipcs.Fleet.Resolve.Proto.Answer { Growing = { ResolveWire.GrowingOf(part) } };
            spoil(answer.Growing[0]);
            Assert.False(ResolveWire.TryDecodeAnswer(answer.ToByteArray(), [One], out _));
        }
    }

    private static List<ResolvedContent>? Decode(byte[] content)
    {
        byte[] answer = [0x0a, (byte)content.Length, .. content];
        return ResolveWire.TryDecodeAnswer(answer, [One], out ResolveAnswer decoded) ? [.. decoded.Contents] : null;
    }

    private static Digest Sha512(ReadOnlySpan<byte> bytes)
    {
        Assert.True(Multihash.TryCompute(Multihash.Sha2_512, bytes, out Multihash hash));
        return new Digest(hash);
    }
}
