namespace Ipcs.Blockstore.Tables;

/// <summary>Interrupted writes. Keys are references in UTF-8.</summary>
internal sealed class IngestTable(ITable table) : IIngestStore
{
    public IngestRecord? Get(string reference)
    {
        byte[] key = RecordCodec.Key(reference);
        return table.Get(key) is { } value ? RecordCodec.DecodeIngest(key, value) : null;
    }

    public void Put(IngestRecord record, Durability durability = Durability.Logged) =>
        table.Put(RecordCodec.Key(record.Ref), RecordCodec.Encode(record), durability);

    public bool Delete(string reference) => table.Delete(RecordCodec.Key(reference), sync: false);

    public IEnumerable<IngestRecord> Enumerate() =>
        table.List([]).Select(pair => RecordCodec.DecodeIngest(pair.Key, pair.Value));
}
