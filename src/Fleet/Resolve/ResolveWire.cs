using System.Text;
using Google.Protobuf;
using Ipcs.Blockstore;
using Ipcs.Libp2p;
using Ipcs.Multiformats;

namespace Ipcs.Fleet.Resolve;

/// <summary>Encodes and decodes the messages of the resolve protocol. Wire format: Resolve.proto and docs/protocols/resolve.md.</summary>
internal static class ResolveWire
{
    /// <summary>The maximum number of digests in one question: an index of an image with many platforms has some hundreds.</summary>
    public const int MaxDigests = 1024;

    /// <summary>The maximum length of a message in bytes: 1024 contents and <see cref="MaxRootBlocks"/>, with room to spare.</summary>
    public const int MaxLength = 1 << 20;

    /// <summary>
    /// The maximum length in bytes of a root block in an answer: inner nodes (174 links are some 10 KB) and small blobs are shorter.
    /// </summary>
    public const int MaxRootBlock = 32 << 10;

    /// <summary>The most bytes of root blocks in one answer: 2 ms at 1 Gbit/s. Other root blocks are fetched by Bitswap.</summary>
    public const int MaxRootBlocks = 256 << 10;

    /// <summary>The maximum length of a profile's name in bytes.</summary>
    private const int MaxProfile = 64;

    /// <summary>
    /// The maximum number of fields of a message with those of its contents: twice the 8 that each content of an answer has.
    /// </summary>
    private const int MaxFields = 16 * MaxDigests;

    public static byte[] EncodeQuestion(IReadOnlyList<Digest> digests) =>
        new Proto.Question { Digest = { digests.Select(digest => ByteString.CopyFrom(digest.Hash.ToArray())) } }.ToByteArray();

    /// <summary>Decodes a question; false when it is malformed, has too many digests or one that is not a SHA-2 multihash.</summary>
    public static bool TryDecodeQuestion(ReadOnlySpan<byte> source, out List<Digest> digests)
    {
        digests = [];
        if (!Proto.Question.Parser.TryParse(source, MaxFields, [], out Proto.Question? question) || question.Digest.Count > MaxDigests)
        {
            return false;
        }

        foreach (ByteString bytes in question.Digest)
        {
            if (!TryDigest(bytes.Span, out Digest digest))
            {
                return false;
            }

            digests.Add(digest);
        }

        return true;
    }

    /// <summary>One content of an answer.</summary>
    public static Proto.Content ContentOf(ContentRecord record, ReadOnlySpan<byte> rootBlock) => new()
    {
        Digest = ByteString.CopyFrom(record.Digest.Hash.ToArray()),
        Kind = (ulong)record.Kind,
        Root = ByteString.CopyFrom(record.Root.ToArray()),
        Size = (ulong)record.Size,
        Profile = record.Profile,
        Complete = record.Complete ? 1u : 0u,
        Block = ByteString.CopyFrom(rootBlock),
    };

    /// <summary>
    /// Decodes an answer; false when it is malformed, names a digest that was not asked for, or a root block fails its hash.
    /// </summary>
    public static bool TryDecodeAnswer(ReadOnlySpan<byte> source, IReadOnlyList<Digest> asked, out List<ResolvedContent> contents)
    {
        contents = [];
        if (!Proto.Answer.Parser.TryParse(source, MaxFields, [Proto.Answer.ContentFieldNumber], out Proto.Answer? answer))
        {
            return false;
        }

        var open = new HashSet<Digest>(asked);
        foreach (Proto.Content parsed in answer.Content)
        {
            if (!TryContent(parsed, out ResolvedContent? content) || !open.Remove(content!.Record.Digest))
            {
                return false;
            }

            contents.Add(content);
        }

        return true;
    }

    private static bool TryContent(Proto.Content parsed, out ResolvedContent? content)
    {
        content = null;
        if (!TryDigest(parsed.Digest.Span, out Digest digest)
            || !parsed.HasKind || parsed.Kind > 1
            || !Cid.TryParse(parsed.Root.Span, out Cid root)
            || !parsed.HasSize || parsed.Size > long.MaxValue
            || !parsed.HasProfile || Encoding.UTF8.GetByteCount(parsed.Profile) > MaxProfile
            || !parsed.HasComplete
            || !IsRootBlock(root, parsed.Block.Span))
        {
            return false;
        }

        var record = new ContentRecord
        {
            Digest = digest,
            Kind = (ContentKind)parsed.Kind,
            Root = root,
            Size = (long)parsed.Size,
            Profile = parsed.Profile,
            Complete = parsed.Complete != 0,
        };
        content = new ResolvedContent(record, parsed.Block.Memory);
        return true;
    }

    /// <summary>True when there is no block, or its hash is the root's.</summary>
    private static bool IsRootBlock(in Cid root, ReadOnlySpan<byte> block) =>
        block.IsEmpty || (Multihash.TryCompute(root.Hash.Code, block, out Multihash hash) && hash == root.Hash);

    private static bool TryDigest(ReadOnlySpan<byte> bytes, out Digest digest)
    {
        bool good = Multihash.TryParse(bytes, out Multihash hash)
            && hash.Code is Multihash.Sha2_256 or Multihash.Sha2_384 or Multihash.Sha2_512;
        digest = good ? new Digest(hash) : default;
        return good;
    }
}
