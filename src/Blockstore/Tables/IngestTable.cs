namespace Ipcs.Blockstore.Tables;

/// <summary>The interrupted writes over a table of bytes.</summary>
internal sealed class IngestTable(ITable table) : IIngestStore
{
    public IngestRecord? Get(string reference)
    {
        byte[] key = RecordCodec.Key(reference);
        return table.Get(key) is { } value ? RecordCodec.DecodeIngest(key, value) : null;
    }

    public void Put(IngestRecord record, Durability keeping = Durability.Logged) =>
        table.Put(RecordCodec.Key(record.Ref), RecordCodec.Encode(record), keeping);

    public bool Delete(string reference) => table.Delete(RecordCodec.Key(reference), sync: false);

    public IEnumerable<IngestRecord> Enumerate() =>
        table.List([]).Select(pair => RecordCodec.DecodeIngest(pair.Key, pair.Value));
}
