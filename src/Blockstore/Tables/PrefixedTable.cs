namespace Ipcs.Blockstore.Tables;

/// <summary>The part of a table whose keys begin with a given byte. Callers use keys without that byte.</summary>
internal sealed class PrefixedTable(ITable table, byte first) : ITable
{
    public byte[]? Get(ReadOnlySpan<byte> key) => table.Get(FullKey(key));

    public void Put(ReadOnlySpan<byte> key, ReadOnlySpan<byte> value, Durability durability) => table.Put(FullKey(key), value, durability);

    public bool Delete(ReadOnlySpan<byte> key, bool sync) => table.Delete(FullKey(key), sync);

    public IReadOnlyList<KeyValuePair<byte[], byte[]>> List(ReadOnlySpan<byte> prefix, int max = int.MaxValue) =>
        [.. table.List(FullKey(prefix), max).Select(pair => new KeyValuePair<byte[], byte[]>(pair.Key[1..], pair.Value))];

    private byte[] FullKey(ReadOnlySpan<byte> key) => [first, .. key];
}
