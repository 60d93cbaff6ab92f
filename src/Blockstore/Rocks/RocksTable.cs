using Ipcs.Blockstore.Tables;

namespace Ipcs.Blockstore.Rocks;

/// <summary>One column family as a table.</summary>
internal sealed class RocksTable(Database database, ColumnFamily family) : ITable
{
    // Of several concurrent deletions of one key exactly one must return true.
    private readonly Lock _deleteLock = new();

    public byte[]? Get(ReadOnlySpan<byte> key) => database.GetCopy(family, key);

    public void Put(
        ReadOnlySpan<byte> key, ReadOnlySpan<byte> value, Durability durability) => database.Put(family, key, value, durability);

    public bool Delete(ReadOnlySpan<byte> key, bool sync)
    {
        lock (_deleteLock)
        {
            if (!database.Contains(family, key))
            {
                return false;
            }

            database.Delete(family, key, sync);
            return true;
        }
    }

    public IReadOnlyList<KeyValuePair<byte[], byte[]>> List(ReadOnlySpan<byte> prefix, int max = int.MaxValue)
    {
        List<KeyValuePair<byte[], byte[]>> found = [];
        using RocksIterator iterator = database.Iterate(family);
        while (found.Count < max && iterator.MoveNext(prefix) && iterator.Key.StartsWith(prefix))
        {
            found.Add(new(iterator.Key.ToArray(), iterator.Value.ToArray()));
        }

        return found;
    }
}
