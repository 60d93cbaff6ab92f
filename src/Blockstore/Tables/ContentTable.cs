using Ipcs.Multiformats;

namespace Ipcs.Blockstore.Tables;

/// <summary>The content index over a table of bytes. The order of keys is that of the digests' text.</summary>
internal sealed class ContentTable(ITable table) : IContentIndex
{
    public ContentRecord? Get(in Digest digest)
    {
        byte[] key = RecordCodec.Key(digest);
        return table.Get(key) is { } value ? RecordCodec.DecodeContent(key, value) : null;
    }

    public void Put(ContentRecord record, bool sync = false) =>
        table.Put(RecordCodec.Key(record.Digest), RecordCodec.Encode(record), sync ? Keeping.Synced : Keeping.Logged);

    public bool Delete(in Digest digest) => table.Delete(RecordCodec.Key(digest), sync: false);

    public IEnumerable<ContentRecord> Enumerate() =>
        table.List([]).Select(pair => RecordCodec.DecodeContent(pair.Key, pair.Value));
}
