namespace Ipcs.Blockstore.Tables;

/// <summary>Metadata of other projects, with their own keys.</summary>
internal sealed class MetadataTable(ITable table) : IMetadataTable
{
    public byte[]? Get(ReadOnlySpan<byte> key) => table.Get(key);

    public void Put(ReadOnlySpan<byte> key, ReadOnlySpan<byte> value, bool sync = false) =>
        table.Put(key, value, sync ? Durability.Synced : Durability.Logged);

    public bool Delete(ReadOnlySpan<byte> key) => table.Delete(key, sync: false);

    public IReadOnlyList<KeyValuePair<byte[], byte[]>> Enumerate(ReadOnlySpan<byte> prefix) => table.List(prefix);
}
