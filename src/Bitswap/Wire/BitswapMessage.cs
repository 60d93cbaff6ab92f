using System.Buffers;
using Ipcs.Blockstore.Compression;
using Ipcs.Libp2p;
using Ipcs.Multiformats;

namespace Ipcs.Bitswap.Wire;

/// <summary>One entry of a wantlist.</summary>
/// <param name="Cid">The block.</param>
/// <param name="Priority">The priority; higher ones are sent first.</param>
/// <param name="Cancel">True to cancel an earlier want.</param>
/// <param name="WantHave">True for want-have (asks for a presence), false for want-block (asks for the block).</param>
/// <param name="SendDontHave">True to get DONT_HAVE when the receiver does not have the block.</param>
public readonly record struct WantEntry(Cid Cid, int Priority, bool Cancel, bool WantHave, bool SendDontHave);

/// <summary>A block in a message: the prefix of its CID, without the digest, and its bytes.</summary>
/// <param name="Version">The CID version, 0 or 1.</param>
/// <param name="Codec">The multicodec of the block's format.</param>
/// <param name="HashCode">The multicodec of the hash function.</param>
/// <param name="Data">The bytes on the wire, a slice of the message's buffer.</param>
/// <param name="Compressed">True when the bytes are the block's zstd frame (<see cref="CompressedBlock"/>); ipcs nodes only.</param>
public readonly record struct BlockEntry(int Version, uint Codec, uint HashCode, ReadOnlyMemory<byte> Data, bool Compressed = false);

/// <summary>Whether the sender has a block.</summary>
/// <param name="Cid">The block.</param>
/// <param name="Have">True for HAVE, false for DONT_HAVE.</param>
public readonly record struct PresenceEntry(Cid Cid, bool Have);

/// <summary>
/// A Bitswap message. Spec: https://specs.ipfs.tech/bitswap-protocol/, section Bitswap 1.2.0 wire format.
/// <code>
/// Message       { 1: Wantlist, 2: repeated bytes blocks (1.0.0), 3: repeated Block payload, 4: repeated BlockPresence, 5: int32
/// pendingBytes } Wantlist      { 1: repeated Entry, 2: bool full } Entry         { 1: block (CID), 2: int32 priority, 3: bool cancel, 4:
/// WantType (0 block, 1 have), 5: bool sendDontHave } Block         { 1: prefix, 2: data } BlockPresence { 1: cid, 2: type (0 have, 1 dont
/// have) }
/// </code>
/// On the stream: varint(length) and the message. Between ipcs nodes there is one more field (docs/protocols/packed.md):
/// <code>
/// Message       { 6: repeated Block packed }    its data is a zstd frame of the block
/// </code>
/// </summary>
public sealed class BitswapMessage
{
    /// <summary>The maximum length of a message in bytes, received or sent; all implementations have the same.</summary>
    public const int MaxLength = 4 << 20;

    /// <summary>The maximum length in bytes of a block's field without the block: tags, lengths and the prefix.</summary>
    private const int MaxHead = 64;

    /// <summary>
    /// The maximum total length in bytes of the compressed blocks of one message after decompression. It keeps a peer from making this node
    /// decompress gigabytes by a small message.
    /// </summary>
    public const int MaxDecompressed = 8 * MaxLength;

    /// <summary>The maximum number of entries of each kind in one message; a peer's whole wantlist has the same bound.</summary>
    public const int MaxEntries = 8192;

    /// <summary>The wants and cancels.</summary>
    public List<WantEntry> Wants { get; } = [];

    /// <summary>True when the wants replace all earlier ones.</summary>
    public bool Full { get; set; }

    /// <summary>The blocks.</summary>
    public List<BlockEntry> Blocks { get; } = [];

    /// <summary>The HAVE and DONT_HAVE answers.</summary>
    public List<PresenceEntry> Presences { get; } = [];

    /// <summary>The number of bytes that the sender has queued for the receiver.</summary>
    public int PendingBytes { get; set; }

    /// <summary>
    /// When this is a piece of a message (<see cref="MessageReader"/>): the decompressed length in bytes of the compressed blocks in the
    /// message's earlier pieces.
    /// </summary>
    internal long DecompressedBefore { get; set; }

    /// <summary>Decodes a message; the blocks' bytes are slices of the source.</summary>
    /// <param name="source">The message without its length.</param>
    /// <param name="message">The message; null when it is malformed.</param>
    /// <param name="compressed">True to decode compressed blocks; false to skip their field like an unknown one.</param>
    public static bool TryDecode(ReadOnlyMemory<byte> source, out BitswapMessage? message, bool compressed = false)
    {
        message = null;
        var made = new BitswapMessage();
        ReadOnlySpan<byte> left = source.Span;
        while (left.Length > 0)
        {
            if (!ProtoField.TryReadVarintOrCounted(ref left, out ProtoField field))
            {
                return false;
            }

            bool good = (field.Number, field.Wire) switch
            {
                (1, 2) => made.TryDecodeWantlist(field.Bytes),
                (2, 2) => made.TryAddBlock(new BlockEntry(0, Multicodec.DagPb, Multihash.Sha2_256, Slice(source, left, field.Bytes))),
                (3, 2) => made.TryDecodeBlock(field.Bytes, Slice(source, left, field.Bytes), compressed: false),
                (4, 2) => made.TryDecodePresence(field.Bytes),
                (5, 0) => true,
                (6, 2) when compressed => made.TryDecodeBlock(field.Bytes, Slice(source, left, field.Bytes), compressed: true),
                _ => true,
            };
            if (!good)
            {
                return false;
            }

            if (field is { Number: 5, Wire: 0 })
            {
                made.PendingBytes = (int)(uint)field.Value;
            }
        }

        message = made;
        return true;
    }

    /// <summary>True when the message has no content.</summary>
    public bool IsEmpty => Wants.Count + Presences.Count + Blocks.Count == 0 && !Full;

    /// <summary>Encodes the message; the blocks' bytes are copied.</summary>
    /// <param name="bare">True for version 1.0.0, whose blocks have no prefix.</param>
    public byte[] Encode(bool bare = false)
    {
        ArrayBufferWriter<byte> output = EncodeSmall();
        foreach (BlockEntry block in Blocks)
        {
            WriteHead(output, block, bare);
            output.Write(block.Data.Span);
        }

        return output.WrittenSpan.ToArray();
    }

    /// <summary>Writes the message preceded by its length. The blocks' bytes are not copied.</summary>
    internal async ValueTask WriteAsync(PeerStream stream, bool bare, CancellationToken cancellationToken)
    {
        ArrayBufferWriter<byte> small = EncodeSmall();
        var head = new ArrayBufferWriter<byte>(Varint.MaxLength + small.WrittenCount + MaxHead);
        head.Advance(Varint.Write(head.GetSpan(Varint.MaxLength), (ulong)EncodedLength(small.WrittenCount, bare)));
        head.Write(small.WrittenSpan);
        foreach (BlockEntry block in Blocks)
        {
            WriteHead(head, block, bare);
            await stream.WriteAsync(head.WrittenMemory, flush: block.Data.IsEmpty, cancellationToken);
            await stream.WriteAsync(block.Data, cancellationToken);
            head.ResetWrittenCount();
        }

        await stream.WriteAsync(head.WrittenMemory, cancellationToken);
    }

    /// <summary>The total length in bytes of the compressed blocks after decompression, as far as their frame headers have it.</summary>
    internal long DecompressedLength() =>
        Blocks.Sum(b => b.Compressed && CompressedBlock.TryGetLength(b.Data.Span, out int length) ? (long)length : 0);

    /// <summary>Encodes all fields except the blocks.</summary>
    private ArrayBufferWriter<byte> EncodeSmall()
    {
        var output = new ArrayBufferWriter<byte>(256 + (64 * (Wants.Count + Presences.Count)));
        if (Wants.Count > 0 || Full)
        {
            var wantlist = new ArrayBufferWriter<byte>(64 + (64 * Wants.Count));
            var entry = new ArrayBufferWriter<byte>(64);
            foreach (WantEntry want in Wants)
            {
                entry.Clear();
                entry.WriteBytes(1, want.Cid.ToArray());
                entry.WriteNumber(2, (ulong)want.Priority);
                if (want.Cancel)
                {
                    entry.WriteNumber(3, 1);
                }

                entry.WriteNumber(4, want.WantHave ? 1u : 0u);
                if (want.SendDontHave)
                {
                    entry.WriteNumber(5, 1);
                }

                wantlist.WriteBytes(1, entry.WrittenSpan);
            }

            if (Full)
            {
                wantlist.WriteNumber(2, 1);
            }

            output.WriteBytes(1, wantlist.WrittenSpan);
        }

        var inner = new ArrayBufferWriter<byte>(64);
        foreach (PresenceEntry presence in Presences)
        {
            inner.Clear();
            inner.WriteBytes(1, presence.Cid.ToArray());
            inner.WriteNumber(2, presence.Have ? 0u : 1u);
            output.WriteBytes(4, inner.WrittenSpan);
        }

        if (PendingBytes > 0)
        {
            output.WriteNumber(5, (ulong)PendingBytes);
        }

        return output;
    }

    private int EncodedLength(int small, bool bare)
    {
        Span<byte> prefix = stackalloc byte[4 * Varint.MaxLength];
        foreach (BlockEntry block in Blocks)
        {
            small += bare
                ? ProtoOutput.BytesLength(2, block.Data.Length)
                : ProtoOutput.BytesLength(FieldOf(block), InnerLength(WritePrefix(prefix, block), block));
        }

        return small;
    }

    /// <summary>Writes a block's field up to the block's bytes, which are its end.</summary>
    private static void WriteHead(ArrayBufferWriter<byte> output, BlockEntry block, bool bare)
    {
        if (!bare)
        {
            Span<byte> prefix = stackalloc byte[4 * Varint.MaxLength];
            int n = WritePrefix(prefix, block);
            output.WriteHead(FieldOf(block), InnerLength(n, block));
            output.WriteBytes(1, prefix[..n]);
        }

        output.WriteHead(2, block.Data.Length);
    }

    private static int FieldOf(BlockEntry block) => block.Compressed ? 6 : 3;

    private static int InnerLength(int prefix, BlockEntry block) =>
        ProtoOutput.BytesLength(1, prefix) + ProtoOutput.BytesLength(2, block.Data.Length);

    private static int WritePrefix(Span<byte> prefix, BlockEntry block)
    {
        int n = Varint.Write(prefix, (ulong)block.Version);
        n += Varint.Write(prefix[n..], block.Codec);
        n += Varint.Write(prefix[n..], block.HashCode);
        uint length = block.HashCode switch
        {
            Multihash.Sha2_512 => 64,
            Multihash.Sha2_384 => 48,
            Multihash.Identity => (uint)block.Data.Length,
            _ => 32,
        };
        return n + Varint.Write(prefix[n..], length);
    }

    /// <summary>
    /// Returns the memory of a span inside the message; <paramref name="left"/> is the rest of the message after the span.
    /// </summary>
    private static ReadOnlyMemory<byte> Slice(ReadOnlyMemory<byte> source, ReadOnlySpan<byte> left, ReadOnlySpan<byte> bytes) =>
        source.Slice(source.Length - left.Length - bytes.Length, bytes.Length);

    private bool TryAddBlock(BlockEntry block)
    {
        Blocks.Add(block);
        return Blocks.Count <= MaxEntries;
    }

    private bool TryDecodeWantlist(ReadOnlySpan<byte> source)
    {
        while (source.Length > 0)
        {
            if (!ProtoField.TryReadVarintOrCounted(ref source, out ProtoField field))
            {
                return false;
            }

            if (field is { Number: 1, Wire: 2 })
            {
                if (Wants.Count == MaxEntries || !TryDecodeWant(field.Bytes))
                {
                    return false;
                }
            }
            else if (field is { Number: 2, Wire: 0 })
            {
                Full = field.Value != 0;
            }
        }

        return true;
    }

    private bool TryDecodeWant(ReadOnlySpan<byte> source)
    {
        Cid cid = default;
        ulong priority = 0, cancel = 0, type = 0, sendDontHave = 0;
        while (source.Length > 0)
        {
            if (!ProtoField.TryReadVarintOrCounted(ref source, out ProtoField field))
            {
                return false;
            }

            switch (field.Number, field.Wire)
            {
                case (1, 2) when Cid.TryParse(field.Bytes, out cid):
                    break;
                case (2, 0):
                    priority = field.Value;
                    break;
                case (3, 0):
                    cancel = field.Value;
                    break;
                case (4, 0) when field.Value <= 1:
                    type = field.Value;
                    break;
                case (5, 0):
                    sendDontHave = field.Value;
                    break;
                default:
                    return false;
            }
        }

        Wants.Add(new WantEntry(cid, (int)(uint)priority, cancel != 0, type == 1, sendDontHave != 0));
        return !cid.IsDefault;
    }

    private bool TryDecodeBlock(ReadOnlySpan<byte> source, ReadOnlyMemory<byte> memory, bool compressed)
    {
        ReadOnlyMemory<byte> data = default;
        ulong version = 0, codec = Multicodec.DagPb, hash = Multihash.Sha2_256;
        while (source.Length > 0)
        {
            if (!ProtoField.TryReadVarintOrCounted(ref source, out ProtoField field))
            {
                return false;
            }

            if (field is { Number: 2, Wire: 2 })
            {
                data = Slice(memory, source, field.Bytes);
            }
            else if (field is { Number: 1, Wire: 2 })
            {
                if (Varint.TryRead(field.Bytes, out version, out int a) != OperationStatus.Done
                    || Varint.TryRead(field.Bytes[a..], out codec, out int b) != OperationStatus.Done
                    || Varint.TryRead(field.Bytes[(a + b)..], out hash, out _) != OperationStatus.Done
                    || version > 1 || codec > uint.MaxValue || hash > uint.MaxValue)
                {
                    return false;
                }
            }
        }

        return TryAddBlock(new BlockEntry((int)version, (uint)codec, (uint)hash, data, compressed));
    }

    private bool TryDecodePresence(ReadOnlySpan<byte> source)
    {
        Cid cid = default;
        ulong type = 0;
        while (source.Length > 0)
        {
            if (!ProtoField.TryReadVarintOrCounted(ref source, out ProtoField field)
                || (field is { Number: 1, Wire: 2 } && !Cid.TryParse(field.Bytes, out cid)))
            {
                return false;
            }

            if (field is { Number: 2, Wire: 0 })
            {
                type = field.Value;
            }
        }

        Presences.Add(new PresenceEntry(cid, type == 0));
        return !cid.IsDefault && Presences.Count <= MaxEntries;
    }
}
