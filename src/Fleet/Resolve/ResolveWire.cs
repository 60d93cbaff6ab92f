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

    /// <summary>
    /// The maximum length of a message in bytes: 1024 contents, <see cref="MaxRootBlocks"/> and <see cref="MaxChunks"/>, with room to
    /// spare.
    /// </summary>
    public const int MaxLength = 1 << 20;

    /// <summary>
    /// The maximum length in bytes of a root block in an answer: inner nodes (174 links are some 10 KB) and small blobs are shorter.
    /// </summary>
    public const int MaxRootBlock = 32 << 10;

    /// <summary>The most bytes of root blocks in one answer: 2 ms at 1 Gbit/s. Other root blocks are fetched by Bitswap.</summary>
    public const int MaxRootBlocks = 256 << 10;

    /// <summary>The maximum number of chunks in one answer: 128 KiB of digests, for 1 GiB of content.</summary>
    public const int MaxChunks = 4096;

    /// <summary>The most chunks of one content, and so the highest number that an asker knows: those of 8 GiB.</summary>
    public const int MaxKnown = 1 << 15;

    /// <summary>The length in bytes of a chunk's sha2-256 digest.</summary>
    public const int HashLength = 32;

    /// <summary>The maximum length of a profile's name in bytes.</summary>
    private const int MaxProfile = 64;

    /// <summary>
    /// The maximum number of fields of a message with those of its contents: twice the 8 that each content of an answer has.
    /// </summary>
    private const int MaxFields = 16 * MaxDigests;

    public static byte[] EncodeQuestion(IReadOnlyList<ResolveQuestion> questions)
    {
        var message = new Proto.Question { Digest = { questions.Select(q => ByteString.CopyFrom(q.Digest.Hash.ToArray())) } };
        if (questions.Any(q => q.From > 0))
        {
            message.From.AddRange(questions.Select(q => (ulong)q.From));
        }

        return message.ToByteArray();
    }

    /// <summary>
    /// Decodes a question; false when it is malformed, has too many digests or one that is not a SHA-2 multihash, or when the numbers of
    /// known chunks do not belong to the digests.
    /// </summary>
    public static bool TryDecodeQuestion(ReadOnlySpan<byte> source, out List<ResolveQuestion> questions)
    {
        questions = [];
        if (!Proto.Question.Parser.TryParse(source, MaxFields, [], out Proto.Question? message)
            || message.Digest.Count > MaxDigests
            || (message.From.Count > 0 && message.From.Count != message.Digest.Count)
            || message.From.Any(from => from > MaxKnown))
        {
            return false;
        }

        for (int i = 0; i < message.Digest.Count; i++)
        {
            if (!TryDigest(message.Digest[i].Span, out Digest digest))
            {
                return false;
            }

            questions.Add(new ResolveQuestion(digest, message.From.Count == 0 ? 0 : (int)message.From[i]));
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

    /// <summary>One growing content of an answer.</summary>
    public static Proto.Growing GrowingOf(GrowingPart part)
    {
        byte[] chunks = new byte[part.Chunks.Count * HashLength];
        for (int i = 0; i < part.Chunks.Count; i++)
        {
            part.Chunks[i].Digest.CopyTo(chunks.AsSpan(i * HashLength));
        }

        return new Proto.Growing
        {
            Digest = ByteString.CopyFrom(part.Digest.Hash.ToArray()),
            Size = (ulong)part.Size,
            Profile = part.Profile,
            Written = (ulong)part.Written,
            Chunks = UnsafeByteOperations.UnsafeWrap(chunks),
        };
    }

    /// <summary>The chunks of a list of sha2-256 digests, <see cref="HashLength"/> bytes each.</summary>
    public static Multihash[] ChunksOf(ReadOnlySpan<byte> hashes)
    {
        var chunks = new Multihash[hashes.Length / HashLength];
        for (int i = 0; i < chunks.Length; i++)
        {
            chunks[i] = new Multihash(Multihash.Sha2_256, hashes.Slice(i * HashLength, HashLength));
        }

        return chunks;
    }

    /// <summary>
    /// Decodes an answer; false when it is malformed, names a digest that was not asked for, or a root block fails its hash.
    /// </summary>
    public static bool TryDecodeAnswer(ReadOnlySpan<byte> source, IReadOnlyList<Digest> asked, out ResolveAnswer decoded)
    {
        var contents = new List<ResolvedContent>();
        var growing = new List<GrowingPart>();
        decoded = new ResolveAnswer(contents, growing);
        int[] messages = [Proto.Answer.ContentFieldNumber, Proto.Answer.GrowingFieldNumber];
        if (!Proto.Answer.Parser.TryParse(source, MaxFields, messages, out Proto.Answer? answer))
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

        open = [.. asked];
        foreach (Proto.Growing parsed in answer.Growing)
        {
            if (!TryGrowing(parsed, out GrowingPart? part) || !open.Remove(part!.Digest))
            {
                return false;
            }

            growing.Add(part);
        }

        return true;
    }

    private static bool TryGrowing(Proto.Growing parsed, out GrowingPart? part)
    {
        part = null;
        if (!TryDigest(parsed.Digest.Span, out Digest digest)
            || !parsed.HasSize || parsed.Size is 0 or > long.MaxValue
            || !parsed.HasProfile || Encoding.UTF8.GetByteCount(parsed.Profile) > MaxProfile
            || !parsed.HasWritten || parsed.Written > parsed.Size
            || parsed.Chunks.Length % HashLength != 0 || parsed.Chunks.Length / HashLength > MaxChunks)
        {
            return false;
        }

        part = new GrowingPart(digest, (long)parsed.Size, parsed.Profile, (long)parsed.Written, ChunksOf(parsed.Chunks.Span));
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
