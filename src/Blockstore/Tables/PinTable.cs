using Ipcs.Multiformats;

namespace Ipcs.Blockstore.Tables;

/// <summary>Pins. Keys are binary CIDs.</summary>
internal sealed class PinTable(ITable table) : IPinStore
{
    public PinRecord? Get(in Cid root)
    {
        byte[] key = RecordCodec.Key(root);
        return table.Get(key) is { } value ? RecordCodec.DecodePin(key, value) : null;
    }

    public void Put(PinRecord pin) => table.Put(RecordCodec.Key(pin.Root), RecordCodec.Encode(pin), Durability.Synced);

    public bool Delete(in Cid root) => table.Delete(RecordCodec.Key(root), sync: true);

    public IEnumerable<PinRecord> Enumerate() => table.List([]).Select(pair => RecordCodec.DecodePin(pair.Key, pair.Value));
}
