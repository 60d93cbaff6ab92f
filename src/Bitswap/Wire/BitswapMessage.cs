using System.Buffers;
using Ipcs.Blockstore.Compression;
using Ipcs.Libp2p;
using Ipcs.Multiformats;

namespace Ipcs.Bitswap.Wire;

/// <summary>One line of a wantlist.</summary>
/// <param name="Cid">What is wanted.</param>
/// <param name="Priority">Higher first.</param>
/// <param name="Cancel">True when it is wanted no more.</param>
/// <param name="WantHave">True to be told whether it is there, false to be sent it.</param>
/// <param name="SendDontHave">True to be told when it is not there.</param>
public readonly record struct WantEntry(Cid Cid, int Priority, bool Cancel, bool WantHave, bool SendDontHave);

/// <summary>A block in a message: the prefix of its CID, without the digest, and its bytes.</summary>
/// <param name="Version">0 or 1.</param>
/// <param name="Codec">The codec.</param>
/// <param name="HashCode">The hash function.</param>
/// <param name="Data">The bytes as they go over the wire, lent by the message's buffer.</param>
/// <param name="Compressed">True when they are the block's zstd frame (<see cref="CompressedBlock"/>): between nodes of ours alone.</param>
public readonly record struct BlockEntry(int Version, uint Codec, uint HashCode, ReadOnlyMemory<byte> Data, bool Compressed = false);

/// <summary>Whether a block is there.</summary>
/// <param name="Cid">The block.</param>
/// <param name="Have">True for HAVE, false for DONT_HAVE.</param>
public readonly record struct PresenceEntry(Cid Cid, bool Have);

/// <summary>
/// A Bitswap message. Spec: https://specs.ipfs.tech/bitswap-protocol/, section Bitswap 1.2.0 wire format.
/// <code>
/// Message  { 1: Wantlist, 2: repeated bytes blocks (1.0.0), 3: repeated Block payload, 4: repeated BlockPresence, 5: int32 pendingBytes }
/// Wantlist { 1: repeated Entry, 2: bool full }   Entry { 1: block (CID), 2: int32 priority, 3: bool cancel, 4: WantType (0 block, 1 have), 5: bool sendDontHave }
/// Block    { 1: prefix, 2: data }                BlockPresence { 1: cid, 2: type (0 have, 1 dont have) }
/// </code>
/// On the stream: varint(length) and the message. Between nodes of ours one field more, which docs/protocols/packed.md describes:
/// <code>
/// Message  { 6: repeated Block packed }          its data is a zstd frame of the block
/// </code>
/// </summary>
public sealed class BitswapMessage
{
    /// <summary>The longest message taken or sent, in bytes, as every implementation has it.</summary>
    public const int MaxLength = 4 << 20;

    /// <summary>The most of a block's field but its bytes: tags, lengths and the prefix.</summary>
    private const int MaxHead = 64;

    /// <summary>
    /// The most bytes that the packed blocks of one message have together, unpacked: eight times what the message may have, so that a peer can't make
    /// us unpack gigabytes by a message of zeros.
    /// </summary>
    public const int MaxUnpacked = 8 * MaxLength;

    /// <summary>The most entries of a kind in one message: a peer's whole wantlist is no longer with us.</summary>
    public const int MaxEntries = 8192;

    /// <summary>Wants and cancels.</summary>
    public List<WantEntry> Wants { get; } = [];

    /// <summary>True when the wants replace all earlier ones.</summary>
    public bool Full { get; set; }

    /// <summary>Blocks.</summary>
    public List<BlockEntry> Blocks { get; } = [];

    /// <summary>Presences.</summary>
    public List<PresenceEntry> Presences { get; } = [];

    /// <summary>Bytes that the sender has queued for us.</summary>
    public int PendingBytes { get; set; }

    /// <summary>What the packed blocks of the same message that came in pieces before this one have, unpacked, in bytes (<see cref="MessageReader"/>).</summary>
    internal long UnpackedBefore { get; set; }

    /// <summary>Decodes a message; the blocks' bytes stay where they are.</summary>
    /// <param name="source">The message without its length.</param>
    /// <param name="message">What it says; null when it is none.</param>
    /// <param name="packed">True when packed blocks may be in it; else their field is one of those that are not known and passed over.</param>
    public static bool TryDecode(ReadOnlyMemory<byte> source, out BitswapMessage? message, bool packed = false)
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
                (3, 2) => made.TryDecodeBlock(field.Bytes, Slice(source, left, field.Bytes), packed: false),
                (4, 2) => made.TryDecodePresence(field.Bytes),
                (5, 0) => true,
                (6, 2) when packed => made.TryDecodeBlock(field.Bytes, Slice(source, left, field.Bytes), packed: true),
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

    /// <summary>True when it says nothing.</summary>
    public bool IsEmpty => Wants.Count + Presences.Count + Blocks.Count == 0 && !Full;

    /// <summary>Encodes the message; the blocks' bytes are copied.</summary>
    /// <param name="bare">True for version 1.0.0, which has blocks without a prefix.</param>
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

    /// <summary>Writes the message with its length in front. The blocks' bytes go from where they are.</summary>
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

    /// <summary>What the packed blocks here have, unpacked, in bytes, as far as their frames say.</summary>
    internal long Unpacked() => Blocks.Sum(b => b.Compressed && CompressedBlock.TryGetLength(b.Data.Span, out int length) ? (long)length : 0);

    /// <summary>All but the blocks.</summary>
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
            small += bare ? ProtoOutput.BytesLength(2, block.Data.Length) : ProtoOutput.BytesLength(FieldOf(block), InnerLength(WritePrefix(prefix, block), block));
        }

        return small;
    }

    /// <summary>All of a block's field but its bytes, which end it.</summary>
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

    private static int InnerLength(int prefix, BlockEntry block) => ProtoOutput.BytesLength(1, prefix) + ProtoOutput.BytesLength(2, block.Data.Length);

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

    /// <summary>The part of the message's memory that a span inside it is; <paramref name="left"/> is what follows it.</summary>
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

    private bool TryDecodeBlock(ReadOnlySpan<byte> source, ReadOnlyMemory<byte> memory, bool packed)
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

        return TryAddBlock(new BlockEntry((int)version, (uint)codec, (uint)hash, data, packed));
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
