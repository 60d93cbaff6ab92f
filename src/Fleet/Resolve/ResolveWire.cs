using System.Buffers;
using System.Text;
using Ipcs.Blockstore;
using Ipcs.Multiformats;

namespace Ipcs.Fleet.Resolve;

/// <summary>
/// The messages of the resolve protocol. Wire format: docs/protocols/resolve.md.
/// <code>
/// Question { 1: repeated bytes digest (multihash) }
/// Answer   { 1: repeated Content }
/// Content  { 1: digest, 2: kind, 3: root (CID), 4: size, 5: profile, 6: complete, 7: root block }
/// </code>
/// </summary>
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

    public static byte[] EncodeQuestion(IReadOnlyList<Digest> digests)
    {
        var question = new ArrayBufferWriter<byte>(40 * digests.Count + 16);
        foreach (Digest digest in digests)
        {
            question.WriteBytes(1, digest.Hash.ToArray());
        }

        return question.WrittenSpan.ToArray();
    }

    public static bool TryDecodeQuestion(ReadOnlySpan<byte> source, out List<Digest> digests)
    {
        digests = [];
        while (source.Length > 0)
        {
            if (!ProtoField.TryReadVarintOrCounted(ref source, out ProtoField field)
                || field is not { Number: 1, Wire: 2 }
                || digests.Count == MaxDigests
                || !TryDigest(field.Bytes, out Digest digest))
            {
                return false;
            }

            digests.Add(digest);
        }

        return true;
    }

    /// <summary>Adds one content to an answer.</summary>
    public static void WriteContent(ArrayBufferWriter<byte> answer, ContentRecord record, ReadOnlySpan<byte> rootBlock)
    {
        var content = new ArrayBufferWriter<byte>(160 + rootBlock.Length);
        content.WriteBytes(1, record.Digest.Hash.ToArray());
        content.WriteNumber(2, (ulong)record.Kind);
        content.WriteBytes(3, record.Root.ToArray());
        content.WriteNumber(4, (ulong)record.Size);
        content.WriteBytes(5, Encoding.UTF8.GetBytes(record.Profile));
        content.WriteNumber(6, record.Complete ? 1u : 0u);
        if (!rootBlock.IsEmpty)
        {
            content.WriteBytes(7, rootBlock);
        }

        answer.WriteBytes(1, content.WrittenSpan);
    }

    /// <summary>
    /// Decodes an answer; false when it is malformed, names a digest that was not asked for, or a root block fails its hash.
    /// </summary>
    public static bool TryDecodeAnswer(ReadOnlySpan<byte> source, IReadOnlyList<Digest> asked, out List<ResolvedContent> contents)
    {
        contents = [];
        var open = new HashSet<Digest>(asked);
        while (source.Length > 0)
        {
            if (!ProtoField.TryReadVarintOrCounted(ref source, out ProtoField field)
                || field is not { Number: 1, Wire: 2 }
                || !TryDecodeContent(field.Bytes, out ResolvedContent? content)
                || !open.Remove(content!.Record.Digest))
            {
                return false;
            }

            contents.Add(content);
        }

        return true;
    }

    private static bool TryDecodeContent(ReadOnlySpan<byte> source, out ResolvedContent? content)
    {
        content = null;
        Digest digest = default;
        Cid root = default;
        ulong kind = 0, size = 0, complete = 0;
        string profile = "";
        ReadOnlySpan<byte> whole = source;
        ReadOnlySpan<byte> block = default;
        while (source.Length > 0)
        {
            if (!ProtoField.TryReadVarintOrCounted(ref source, out ProtoField field))
            {
                return false;
            }

            switch (field.Number, field.Wire)
            {
                case (1, 2) when TryDigest(field.Bytes, out digest):
                    break;
                case (2, 0) when field.Value <= 1:
                    kind = field.Value;
                    break;
                case (3, 2) when Cid.TryParse(field.Bytes, out root):
                    break;
                case (4, 0) when field.Value <= long.MaxValue:
                    size = field.Value;
                    break;
                case (5, 2) when field.Bytes.Length <= MaxProfile:
                    profile = Encoding.UTF8.GetString(field.Bytes);
                    break;
                case (6, 0):
                    complete = field.Value;
                    break;
                case (7, 2):
                    block = whole.Slice(whole.Length - source.Length - field.Bytes.Length, field.Bytes.Length);
                    break;
                default:
                    // Unknown fields of later versions are skipped; known fields must be well-formed.
                    if (field.Number <= 7)
                    {
                        return false;
                    }

                    break;
            }
        }

        if (digest.IsDefault || root.IsDefault || !IsRootBlock(root, block))
        {
            return false;
        }

        var record = new ContentRecord
        {
            Digest = digest,
            Kind = (ContentKind)kind,
            Root = root,
            Size = (long)size,
            Profile = profile,
            Complete = complete != 0,
        };
        content = new ResolvedContent(record, block.ToArray());
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
