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
        Assert.Equal($"0a22{hash}", Convert.ToHexStringLower(ResolveWire.EncodeQuestion([One])));
    }

    [Fact]
    public void Recorded_messages_are_written_as_they_were()
    {
        Digest two = Sha512("two"u8);
        foreach (byte[] seed in Corpus.Seeds("fleet.txt", "answer"))
        {
            Assert.True(ResolveWire.TryDecodeAnswer(seed, [One, two], out List<ResolvedContent> contents));
            Assert.NotEmpty(contents);
            var answer = new Ipcs.Fleet.Resolve.Proto.Answer
            {
                Content = { contents.Select(content => ResolveWire.ContentOf(content.Record, content.RootBlock.Span)) },
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
        Assert.True(ResolveWire.TryDecodeQuestion(ResolveWire.EncodeQuestion(most), out List<Digest> digests));
        Assert.Equal(most, digests);
        Assert.False(ResolveWire.TryDecodeQuestion(ResolveWire.EncodeQuestion([.. most, One]), out _));
        var answer = new Ipcs.Fleet.Resolve.Proto.Answer
        {
            Content = { most.Select(d => ResolveWire.ContentOf(Record with { Digest = d }, default)) },
        };
        Assert.True(ResolveWire.TryDecodeAnswer(answer.ToByteArray(), most, out List<ResolvedContent> contents));
        Assert.Equal(most, contents.Select(c => c.Record.Digest));
        Assert.False(ResolveWire.TryDecodeAnswer(answer.ToByteArray(), most[1..], out _));
        answer.Content.Add(answer.Content[0]);
        Assert.False(ResolveWire.TryDecodeAnswer(answer.ToByteArray(), most, out _));
    }

    private static List<ResolvedContent>? Decode(byte[] content)
    {
        byte[] answer = [0x0a, (byte)content.Length, .. content];
        return ResolveWire.TryDecodeAnswer(answer, [One], out List<ResolvedContent> contents) ? contents : null;
    }

    private static Digest Sha512(ReadOnlySpan<byte> bytes)
    {
        Assert.True(Multihash.TryCompute(Multihash.Sha2_512, bytes, out Multihash hash));
        return new Digest(hash);
    }
}
