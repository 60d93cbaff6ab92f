using System.Diagnostics;
using Ipcs.Multiformats;

namespace Ipcs.Blockstore.Tables;

/// <summary>Peers that were connected. Keys are peer IDs.</summary>
internal sealed class PeerTable(ITable table) : IPeerStore
{
    // The number deleted when the table is full: several at once, so that not every new peer needs a scan.
    private const int DeletedAtOnce = IPeerStore.MaxPeers / 16;

    private readonly Lock _writeLock = new();
    private int? _count;

    public PeerRecord? Get(in PeerId peer)
    {
        byte[] key = Key(peer);
        return table.Get(key) is { } value ? RecordCodec.DecodePeer(key, value) : null;
    }

    public void Put(PeerRecord record)
    {
        byte[] key = Key(record.Peer);
        lock (_writeLock)
        {
            if (table.Get(key) is null)
            {
                _count ??= table.List([]).Count;
                if (_count >= IPeerStore.MaxPeers)
                {
                    DeleteOldest();
                }

                _count++;
                Debug.Assert(_count <= IPeerStore.MaxPeers, "the table is bounded");
            }

            table.Put(key, RecordCodec.Encode(record), Durability.Logged);
        }
    }

    public bool Delete(in PeerId peer)
    {
        byte[] key = Key(peer);
        lock (_writeLock)
        {
            bool existed = table.Delete(key, sync: false);
            if (existed)
            {
                _count--;
            }

            return existed;
        }
    }

    public IEnumerable<PeerRecord> Enumerate() => table.List([]).Select(pair => RecordCodec.DecodePeer(pair.Key, pair.Value));

    private static byte[] Key(in PeerId peer) => peer.IsDefault
        ? throw new ArgumentException("the default value is no peer", nameof(peer))
        : peer.ToArray();

    private void DeleteOldest()
    {
        foreach (PeerRecord old in Enumerate().OrderBy(record => record.SeenAt).Take(DeletedAtOnce))
        {
            table.Delete(Key(old.Peer), sync: false);
            _count--;
        }
    }
}
