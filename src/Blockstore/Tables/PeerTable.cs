using Ipcs.Multiformats;

namespace Ipcs.Blockstore.Tables;

/// <summary>The peers over a table of bytes.</summary>
internal sealed class PeerTable(ITable table) : IPeerStore
{
    // Room made at once when the table is full, so that not every new peer needs a look at all.
    private const int MakeRoom = IPeerStore.MaxPeers / 16;

    private readonly Lock _changing = new();
    private int? _count;

    public PeerRecord? Get(in PeerId peer)
    {
        byte[] key = Key(peer);
        return table.Get(key) is { } value ? RecordCodec.DecodePeer(key, value) : null;
    }

    public void Put(PeerRecord record)
    {
        byte[] key = Key(record.Peer);
        lock (_changing)
        {
            if (table.Get(key) is null)
            {
                _count ??= table.List([]).Count;
                if (_count >= IPeerStore.MaxPeers)
                    Forget();
                _count++;
            }

            table.Put(key, RecordCodec.Encode(record), Durability.Logged);
        }
    }

    public bool Delete(in PeerId peer)
    {
        byte[] key = Key(peer);
        lock (_changing)
        {
            bool there = table.Delete(key, sync: false);
            if (there)
                _count--;
            return there;
        }
    }

    public IEnumerable<PeerRecord> Enumerate() => table.List([]).Select(pair => RecordCodec.DecodePeer(pair.Key, pair.Value));

    private static byte[] Key(in PeerId peer) => peer.IsDefault
        ? throw new ArgumentException("the default value is no peer", nameof(peer))
        : peer.ToArray();

    private void Forget()
    {
        foreach (PeerRecord old in Enumerate().OrderBy(record => record.SeenAt).Take(MakeRoom))
        {
            table.Delete(Key(old.Peer), sync: false);
            _count--;
        }
    }
}
