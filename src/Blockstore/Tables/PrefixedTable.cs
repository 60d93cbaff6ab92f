namespace Ipcs.Blockstore.Tables;

/// <summary>The part of a table whose keys begin with one byte, seen without it.</summary>
internal sealed class PrefixedTable(ITable table, byte first) : ITable
{
    public byte[]? Get(ReadOnlySpan<byte> key) => table.Get(Whole(key));

    public void Put(ReadOnlySpan<byte> key, ReadOnlySpan<byte> value, Durability keeping) => table.Put(Whole(key), value, keeping);

    public bool Delete(ReadOnlySpan<byte> key, bool sync) => table.Delete(Whole(key), sync);

    public IReadOnlyList<KeyValuePair<byte[], byte[]>> List(ReadOnlySpan<byte> prefix, int max = int.MaxValue) =>
        [.. table.List(Whole(prefix), max).Select(pair => new KeyValuePair<byte[], byte[]>(pair.Key[1..], pair.Value))];

    private byte[] Whole(ReadOnlySpan<byte> key) => [first, .. key];
}
