using Ipcs.Multiformats;

namespace Ipcs.Blockstore.Tables;

/// <summary>The content index. Keys are digests as text.</summary>
internal sealed class ContentTable(ITable table) : IContentIndex
{
    public ContentRecord? Get(in Digest digest)
    {
        byte[] key = RecordCodec.Key(digest);
        return table.Get(key) is { } value ? RecordCodec.DecodeContent(key, value) : null;
    }

    public void Put(ContentRecord record, bool sync = false)
    {
        // A record that says "complete" must not outlive its blocks. One of a content that is still incoming may, so its sync does not wait
        // for the deferred blocks of other fetches.
        Durability durability = !sync ? Durability.Logged : record.Complete ? Durability.Synced : Durability.SyncedAlone;
        table.Put(RecordCodec.Key(record.Digest), RecordCodec.Encode(record), durability);
    }

    public bool Delete(in Digest digest) => table.Delete(RecordCodec.Key(digest), sync: false);

    public IEnumerable<ContentRecord> Enumerate() =>
        table.List([]).Select(pair => RecordCodec.DecodeContent(pair.Key, pair.Value));
}
