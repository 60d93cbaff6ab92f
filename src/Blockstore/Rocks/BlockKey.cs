using Ipcs.Multiformats;

namespace Ipcs.Blockstore.Rocks;

/// <summary>The keys of <see cref="ColumnFamily.Blocks"/>: a byte that says what the value is, and what it is of.</summary>
internal static class BlockKey
{
    /// <summary>A multihash follows; the value is the block.</summary>
    public const byte Block = (byte)'b';

    /// <summary>A counter's name follows; the value is a sum.</summary>
    public const byte Counter = (byte)'c';

    /// <summary>A reference follows; the value is an ingest's record, which names blocks.</summary>
    public const byte Ingest = (byte)'i';

    /// <summary>
    /// A multihash follows; the value is the block's length, unpacked, as a varint: questions for presence and length, and walks over all blocks, never
    /// touch the blob files. Written in one batch with <see cref="Block"/> or <see cref="Compressed"/>.
    /// </summary>
    public const byte Length = (byte)'l';

    /// <summary>A multihash follows; the value is the zstd frame of the block (<see cref="Compression.CompressedBlock"/>): a block lies here or under <see cref="Block"/>.</summary>
    public const byte Compressed = (byte)'p';

    /// <summary>The longest key of a block.</summary>
    public const int MaxLength = 1 + Multihash.MaxLength;

    /// <summary>Writes the key of a block into a buffer of <see cref="MaxLength"/>. Its first byte may be changed for the others of the block.</summary>
    public static Span<byte> Write(Span<byte> buffer, byte kind, in Multihash hash)
    {
        buffer[0] = kind;
        return buffer[..(1 + hash.Write(buffer[1..]))];
    }
}
