using System.Buffers.Binary;
using Ipcs.Multiformats;

namespace Ipcs.Blockstore.Tables;

/// <summary>
/// The provide queue, in two kinds of rows:
/// <code>
/// 'k' | key                                         -> record
/// 't' | due time in ticks (8 bytes, big-endian) | key -> empty
/// </code>
/// The second is written first and deleted last, so that a crash in between leaves at worst a stale row, which <see cref="Due"/> deletes.
/// </summary>
internal sealed class ProvideTable(ITable table) : IProvideStore
{
    private const byte ByKey = (byte)'k';
    private const byte ByTime = (byte)'t';
    private const int TimeLength = sizeof(long);

    // Concurrent changes of one key would each leave a row by time behind.
    private readonly Lock _writeLock = new();
    private int? _count;

    public int Count
    {
        get
        {
            lock (_writeLock)
            {
                return _count ??= table.List([ByKey]).Count;
            }
        }
    }

    public ProvideRecord? Get(in Multihash key)
    {
        byte[] row = KeyRow(key);
        return table.Get(row) is { } value ? RecordCodec.DecodeProvide(row.AsSpan(1), value) : null;
    }

    public bool Put(ProvideRecord record)
    {
        byte[] row = KeyRow(record.Key);
        byte[] time = TimeRow(record.DueAt, row);
        lock (_writeLock)
        {
            byte[]? before = table.Get(row);
            if (before is null && Count >= IProvideStore.MaxKeys)
            {
                return false;
            }

            table.Put(time, [], Durability.Logged);
            table.Put(row, RecordCodec.Encode(record), Durability.Logged);
            if (before is null)
            {
                _count++;
            }
            else if (RecordCodec.DecodeProvide(row.AsSpan(1), before).DueAt is var old && old != record.DueAt)
            {
                table.Delete(TimeRow(old, row), sync: false);
            }

            return true;
        }
    }

    public bool Delete(in Multihash key)
    {
        byte[] row = KeyRow(key);
        lock (_writeLock)
        {
            if (table.Get(row) is not { } before)
            {
                return false;
            }

            // Counts the rows before the first change.
            _ = Count;
            table.Delete(row, sync: false);
            table.Delete(TimeRow(RecordCodec.DecodeProvide(row.AsSpan(1), before).DueAt, row), sync: false);
            _count--;
            return true;
        }
    }

    public IReadOnlyList<ProvideRecord> Due(DateTimeOffset now, int max)
    {
        List<ProvideRecord> due = [];
        foreach ((byte[] row, _) in table.List([ByTime], max))
        {
            long ticks = BinaryPrimitives.ReadInt64BigEndian(row.AsSpan(1));
            if (ticks > now.UtcTicks)
            {
                break;
            }

            if (!Multihash.TryParse(row.AsSpan(1 + TimeLength), out Multihash key))
            {
                throw RecordCodec.Damaged("provide", row);
            }

            if (Get(key) is { } record && record.DueAt.UtcTicks == ticks)
            {
                due.Add(record);
            }
            else
            {
                table.Delete(row, sync: false);
            }
        }

        return due;
    }

    public IEnumerable<ProvideRecord> Enumerate() =>
        table.List([ByKey]).Select(pair => RecordCodec.DecodeProvide(pair.Key.AsSpan(1), pair.Value));

    private static byte[] KeyRow(in Multihash key) => key.IsDefault
        ? throw new ArgumentException("the default value is no hash", nameof(key))
        : [ByKey, .. key.ToArray()];

    private static byte[] TimeRow(DateTimeOffset due, byte[] keyRow)
    {
        byte[] row = new byte[TimeLength + keyRow.Length];
        row[0] = ByTime;
        BinaryPrimitives.WriteInt64BigEndian(row.AsSpan(1), due.UtcTicks);
        keyRow.AsSpan(1).CopyTo(row.AsSpan(1 + TimeLength));
        return row;
    }
}
