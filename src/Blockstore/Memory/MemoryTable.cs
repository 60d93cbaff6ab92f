using Ipcs.Blockstore.Tables;

namespace Ipcs.Blockstore.Memory;

/// <summary>A table in memory. All tables of a store share one lock, so that readers see a commit as a whole.</summary>
internal sealed class MemoryTable(MemoryStore store, Lock storeLock) : ITable
{
    private readonly SortedDictionary<byte[], byte[]> _rows = new(KeyComparer.Instance);

    public int Count
    {
        get
        {
            lock (storeLock)
            {
                return _rows.Count;
            }
        }
    }

    public byte[]? Get(ReadOnlySpan<byte> key)
    {
        store.ThrowIfDisposed();
        byte[] name = key.ToArray();
        lock (storeLock)
        {
            return _rows.TryGetValue(name, out byte[]? value) ? [.. value] : null;
        }
    }

    public void Put(ReadOnlySpan<byte> key, ReadOnlySpan<byte> value, Durability durability)
    {
        store.ThrowIfDisposed();
        byte[] name = key.ToArray();
        byte[] copy = value.ToArray();
        lock (storeLock)
        {
            _rows[name] = copy;
        }
    }

    public bool Delete(ReadOnlySpan<byte> key, bool sync)
    {
        store.ThrowIfDisposed();
        byte[] name = key.ToArray();
        lock (storeLock)
        {
            return _rows.Remove(name);
        }
    }

    public IReadOnlyList<KeyValuePair<byte[], byte[]>> List(ReadOnlySpan<byte> prefix, int max = int.MaxValue)
    {
        store.ThrowIfDisposed();
        List<KeyValuePair<byte[], byte[]>> found = [];
        lock (storeLock)
        {
            foreach ((byte[] key, byte[] value) in _rows)
            {
                if (found.Count < max && key.AsSpan().StartsWith(prefix))
                {
                    found.Add(new([.. key], [.. value]));
                }
            }
        }

        return found;
    }
}
