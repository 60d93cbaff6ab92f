using System.Diagnostics;
using Ipcs.Multiformats;

namespace Ipcs.Blockstore.Rocks;

/// <summary>The keys of <see cref="ColumnFamily.Blocks"/>: a byte for the kind of the value, and the name of its subject.</summary>
internal static class BlockKey
{
    /// <summary>A multihash follows; the value is the block.</summary>
    public const byte Block = (byte)'b';

    /// <summary>A counter's name follows; the value is a sum.</summary>
    public const byte Counter = (byte)'c';

    /// <summary>A reference follows; the value is an ingest record, which names blocks.</summary>
    public const byte Ingest = (byte)'i';

    /// <summary>
    /// A multihash follows; the value is the block's uncompressed length as a varint. Lookups of existence and length, and iterations over
    /// all blocks, read only this and never the blob files. Written in one batch with <see cref="Block"/> or <see cref="Compressed"/>.
    /// </summary>
    public const byte Length = (byte)'l';

    /// <summary>
    /// A multihash follows; the value is the block's zstd frame (<see cref="Compression.CompressedBlock"/>). A block is stored here or
    /// under <see cref="Block"/>.
    /// </summary>
    public const byte Compressed = (byte)'p';

    /// <summary>The length of the longest key of a block, in bytes.</summary>
    public const int MaxLength = 1 + Multihash.MaxLength;

    /// <summary>
    /// Writes a key of a block into a buffer of <see cref="MaxLength"/>. The caller may change the first byte for another key of the block.
    /// </summary>
    public static Span<byte> Write(Span<byte> buffer, byte kind, in Multihash hash)
    {
        Debug.Assert(buffer.Length >= MaxLength, "the buffer has room for every key");
        Debug.Assert(kind is Block or Length or Compressed, "a key of a block");
        buffer[0] = kind;
        return buffer[..(1 + hash.Write(buffer[1..]))];
    }
}
