using System.Buffers;
using System.Buffers.Binary;

namespace Ipcs.Blockstore.Rocks;

/// <summary>
/// Reads and writes RocksDB's write-ahead logs (https://github.com/facebook/rocksdb/wiki/Write-Ahead-Log-File-Format), to tell the torn end
/// that a power loss leaves from damage in the middle, after which RocksDB would drop every later record without a word.
/// <code>block of 32 KiB = fragment*, zeros | fragment = crc32c (masked, of the rest) 4 | length 2 | type 1 | data</code>
/// </summary>
internal static class WriteAheadLog
{
    /// <summary>No fragment crosses the end of a block of this many bytes.</summary>
    internal const int BlockLength = 32 * 1024;

    /// <summary>Bytes before the data of a fragment.</summary>
    internal const int HeaderLength = 7;

    /// <summary>
    /// The longest record that is put together, in bytes: a batch has one block of 4 MiB at most, or several that fit a write buffer.
    /// </summary>
    private const int MaxRecord = 1 << 30;

    // Types of fragments: the parts of one record. Others (recycled logs, compression) are not written with the store's options.
    private const byte Full = 1, First = 2, Middle = 3, Last = 4;

    /// <summary>The logs of a store, the oldest first.</summary>
    public static string[] FilesIn(string folder) => Directory.Exists(folder)
        ? [.. Directory.GetFiles(folder, "*.log").Order(StringComparer.Ordinal)]
        : [];

    /// <summary>Refuses a store whose logs are damaged before their end.</summary>
    /// <exception cref="StoreException">They are. The message names the log, what is at stake, and how to go on.</exception>
    public static void Check(string folder)
    {
        string? torn = null;
        foreach (string path in FilesIn(folder))
        {
            LogReport report = Scan(path);
            if (torn is not null && report.Records > 0)
            {
                throw Damaged(folder, $"its log {torn} is damaged at the end, and {report.Records} records come after it");
            }

            if (report.Damage is { } place)
            {
                string name = Path.GetFileName(path);
                throw Damaged(folder, $"its log {name} is damaged at byte {place}, and {report.RecordsAfter} records come after it");
            }

            if (report.TornBytes > 0 && !report.IsCut)
            {
                torn = Path.GetFileName(path);
            }
        }
    }

    /// <summary>Reads a log.</summary>
    /// <param name="path">The log.</param>
    /// <param name="onRecord">Called for each whole record, which is borrowed until it returns.</param>
    /// <exception cref="StoreException">It cannot be read.</exception>
    public static LogReport Scan(string path, ReadOnlySpanAction<byte, long>? onRecord = null)
    {
        try
        {
            using FileStream log = new(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, bufferSize: 0);
            return Scan(log, onRecord);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new StoreException($"the log {path} cannot be read: {e.Message}", e);
        }
    }

    /// <inheritdoc cref="Scan(string, ReadOnlySpanAction{byte, long})"/>
    public static LogReport Scan(Stream log, ReadOnlySpanAction<byte, long>? onRecord = null)
    {
        byte[] buffer = new byte[BlockLength];
        var record = new ArrayBufferWriter<byte>();
        bool isOpen = false;
        long records = 0, recordsAfter = 0, lost = 0;
        long? damage = null, bad = null;
        bool isCut = true, endsInZeros = false;
        long start = 0;
        for (int length; (length = log.ReadAtLeast(buffer, BlockLength, throwOnEndOfStream: false)) > 0; start += length)
        {
            ReadOnlySpan<byte> block = buffer.AsSpan(0, length);
            endsInZeros = block[^1] == 0;
            for (int at = 0; at < length;)
            {
                ReadOnlySpan<byte> rest = block[at..];
                if (length == BlockLength && rest.Length < HeaderLength)
                {
                    break;
                }

                if (!TryReadFragment(rest, out byte type, out ReadOnlySpan<byte> data))
                {
                    // What comes next is searched byte by byte: a damaged length says nothing about its place.
                    if (bad is null)
                    {
                        bad = start + at;
                        isCut = length < BlockLength && IsCutOff(rest);
                    }

                    isOpen = false;
                    at++;
                    continue;
                }

                if (bad is { } place)
                {
                    damage ??= place;
                    lost += start + at - place;
                    bad = null;
                }

                at += HeaderLength + data.Length;
                if (type is Full or First)
                {
                    record.ResetWrittenCount();
                    isOpen = true;
                }
                else if (!isOpen || record.WrittenCount + data.Length > MaxRecord)
                {
                    // The rest of a record whose begin is damaged.
                    isOpen = false;
                    lost += HeaderLength + data.Length;
                    continue;
                }

                record.Write(data);
                if (type is Full or Last)
                {
                    isOpen = false;
                    records++;
                    recordsAfter += damage is null ? 0 : 1;
                    onRecord?.Invoke(record.WrittenSpan, records);
                }
            }
        }

        return new LogReport(records, damage, recordsAfter, lost, bad is { } end ? start - end : 0, isCut || endsInZeros);
    }

    /// <summary>Writes the whole records of a log to a new file.</summary>
    /// <returns>What the log has.</returns>
    /// <exception cref="StoreException">It cannot be read, or the file cannot be written.</exception>
    public static LogReport Rewrite(string path, string target)
    {
        try
        {
            using FileStream copy = new(target, FileMode.Create, FileAccess.Write);
            LogReport report = Scan(path, (record, _) => Append(copy, record));
            copy.Flush(flushToDisk: true);
            return report;
        }
        catch (Exception e) when (e is UnauthorizedAccessException or IOException and not StoreException)
        {
            throw new StoreException($"the log {target} cannot be written: {e.Message}", e);
        }
    }

    /// <summary>Writes a record to the end of a log.</summary>
    internal static void Append(Stream log, ReadOnlySpan<byte> record)
    {
        Span<byte> header = stackalloc byte[HeaderLength];
        ReadOnlySpan<byte> filler = [0, 0, 0, 0, 0, 0];
        bool isFirst = true;
        do
        {
            int room = BlockLength - (int)(log.Position % BlockLength);
            if (room < HeaderLength)
            {
                log.Write(filler[..room]);
                continue;
            }

            ReadOnlySpan<byte> data = record[..Math.Min(record.Length, room - HeaderLength)];
            record = record[data.Length..];
            header[6] = (isFirst, record.IsEmpty) switch
            {
                (true, true) => Full,
                (true, false) => First,
                (false, true) => Last,
                (false, false) => Middle,
            };
            BinaryPrimitives.WriteUInt16LittleEndian(header[4..], (ushort)data.Length);
            BinaryPrimitives.WriteUInt32LittleEndian(header, Checksum.Masked(header[6], data));
            log.Write(header);
            log.Write(data);
            isFirst = false;
        }
        while (isFirst || !record.IsEmpty);
    }

    private static StoreException Damaged(string folder, string what) => new(
        $"store {folder}: {what}, which RocksDB would give up: pins and contents may be among them. Nothing was changed; " +
        "`ipcs repo recover` gives up the damaged records alone")
    {
        IsCorruption = true,
    };

    /// <summary>True when a fragment at the end of a log is cut off by the end.</summary>
    private static bool IsCutOff(ReadOnlySpan<byte> rest) =>
        rest.Length < HeaderLength || HeaderLength + BinaryPrimitives.ReadUInt16LittleEndian(rest[4..]) > rest.Length;

    private static bool TryReadFragment(ReadOnlySpan<byte> bytes, out byte type, out ReadOnlySpan<byte> data)
    {
        data = default;
        type = 0;
        if (bytes.Length < HeaderLength)
        {
            return false;
        }

        type = bytes[6];
        int length = BinaryPrimitives.ReadUInt16LittleEndian(bytes[4..]);
        if (type is < Full or > Last || length > bytes.Length - HeaderLength)
        {
            return false;
        }

        data = bytes.Slice(HeaderLength, length);
        return BinaryPrimitives.ReadUInt32LittleEndian(bytes) == Checksum.Masked(type, data);
    }
}
