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

    public void Put(ContentRecord record, bool sync = false)
    {
        // That a content is whole must not be known for longer than its blocks are here; that it is to come may. Nobody waits then for what was fetched in bulk meanwhile.
        Durability keeping = !sync ? Durability.Logged : record.Complete ? Durability.Synced : Durability.SyncedAlone;
        table.Put(RecordCodec.Key(record.Digest), RecordCodec.Encode(record), keeping);
    }

    public bool Delete(in Digest digest) => table.Delete(RecordCodec.Key(digest), sync: false);

    public IEnumerable<ContentRecord> Enumerate() =>
        table.List([]).Select(pair => RecordCodec.DecodeContent(pair.Key, pair.Value));
}
