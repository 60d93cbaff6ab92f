using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using Ipcs.Multiformats;

namespace Ipcs.Blockstore.Rocks;

/// <summary>
/// Reads the blocks of a blob file without the database, for a store whose tables are damaged
/// (https://github.com/facebook/rocksdb/blob/main/db/blob/blob_log_format.h).
/// <code>header 30 | record* | footer 32;
/// record = key length 8 | value length 8 | expiration 8 | crc32c of these 4 | crc32c of key and value 4 | key | value</code>
/// </summary>
internal static class BlobFile
{
    private const int FileHeaderLength = 30;
    private const int RecordHeaderLength = 32;

    /// <summary>Reads the blocks of a file. What is damaged is left out.</summary>
    /// <param name="path">The file.</param>
    /// <param name="onBlock">Called for each record of a block: the hash that its key names, and the value, borrowed until it returns. The
    /// value may be damaged.</param>
    public static void Read(string path, Action<Multihash, bool, ReadOnlyMemory<byte>> onBlock)
    {
        using FileStream file = new(path, FileMode.Open, FileAccess.Read);
        byte[] record = new byte[RecordHeaderLength + BlockKey.MaxLength + IBlockstore.MaxBlockLength];
        for (long at = FileHeaderLength; at + RecordHeaderLength <= file.Length;)
        {
            Span<byte> header = record.AsSpan(0, RecordHeaderLength);
            file.Position = at;
            file.ReadExactly(header);
            if (!TryReadHeader(header, out int keyLength, out int valueLength) || keyLength + valueLength > file.Length - file.Position)
            {
                // The lengths are damaged, or this is the footer: the next record is searched byte by byte.
                at = Search(file, at + 1);
                continue;
            }

            Memory<byte> body = record.AsMemory(0, keyLength + valueLength);
            file.ReadExactly(body.Span);
            at += RecordHeaderLength + body.Length;
            if (TryReadKey(body.Span[..keyLength], out Multihash hash, out bool isCompressed))
            {
                onBlock(hash, isCompressed, body[keyLength..]);
            }
        }
    }

    /// <summary>The place of the next record header from a place on; the end of the file when there is none.</summary>
    private static long Search(FileStream file, long from)
    {
        byte[] buffer = new byte[1 << 20];
        for (long start = from; start + RecordHeaderLength <= file.Length; start += buffer.Length - RecordHeaderLength + 1)
        {
            file.Position = start;
            int n = file.ReadAtLeast(buffer, buffer.Length, throwOnEndOfStream: false);
            for (int i = 0; i + RecordHeaderLength <= n; i++)
            {
                if (TryReadHeader(buffer.AsSpan(i, RecordHeaderLength), out _, out _))
                {
                    return start + i;
                }
            }
        }

        return file.Length;
    }

    private static bool TryReadHeader(ReadOnlySpan<byte> header, out int keyLength, out int valueLength)
    {
        ulong key = BinaryPrimitives.ReadUInt64LittleEndian(header);
        ulong value = BinaryPrimitives.ReadUInt64LittleEndian(header[8..]);
        bool isHeader = key is > 0 and <= BlockKey.MaxLength
            && value is > 0 and <= IBlockstore.MaxBlockLength
            && BinaryPrimitives.ReadUInt32LittleEndian(header[24..]) == Checksum.Masked(header[..24]);
        (keyLength, valueLength) = isHeader ? ((int)key, (int)value) : (0, 0);
        return isHeader;
    }

    private static bool TryReadKey(ReadOnlySpan<byte> key, [MaybeNullWhen(false)] out Multihash hash, out bool isCompressed)
    {
        isCompressed = key[0] == BlockKey.Compressed;
        hash = default;
        return key[0] is BlockKey.Block or BlockKey.Compressed && Multihash.TryParse(key[1..], out hash);
    }
}
