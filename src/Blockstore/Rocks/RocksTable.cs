using Ipcs.Blockstore.Tables;

namespace Ipcs.Blockstore.Rocks;

/// <summary>One family as a table of bytes.</summary>
internal sealed class RocksTable(Database database, ColumnFamily family) : ITable
{
    // So that of two who delete the same thing exactly one is told that it was there.
    private readonly Lock _deleting = new();

    public byte[]? Get(ReadOnlySpan<byte> key) => database.GetCopy(family, key);

    public void Put(ReadOnlySpan<byte> key, ReadOnlySpan<byte> value, Durability keeping) => database.Put(family, key, value, keeping);

    public bool Delete(ReadOnlySpan<byte> key, bool sync)
    {
        lock (_deleting)
        {
            if (!database.Contains(family, key))
                return false;
            database.Delete(family, key, sync);
            return true;
        }
    }

    public IReadOnlyList<KeyValuePair<byte[], byte[]>> List(ReadOnlySpan<byte> prefix, int max = int.MaxValue)
    {
        List<KeyValuePair<byte[], byte[]>> found = [];
        using RocksIterator iterator = database.Iterate(family);
        while (found.Count < max && iterator.MoveNext(prefix) && iterator.Key.StartsWith(prefix))
            found.Add(new(iterator.Key.ToArray(), iterator.Value.ToArray()));
        return found;
    }
}
