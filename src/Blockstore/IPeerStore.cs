using Ipcs.Multiformats;

namespace Ipcs.Blockstore;

/// <summary>Peers that were connected, with their addresses: what a node dials after a restart. Thread-safe.</summary>
public interface IPeerStore
{
    /// <summary>The most peers kept: a public DHT would add millions. Beyond it, those not seen for the longest time are deleted.</summary>
    public const int MaxPeers = 4096;

    /// <summary>The most addresses kept of one peer, the first of the record: a peer announces as many as it likes.</summary>
    public const int MaxAddresses = 16;

    /// <summary>The record; null when there is none.</summary>
    PeerRecord? Get(in PeerId peer);

    /// <summary>Puts or replaces a record (not synced: a power loss may lose the newest).</summary>
    void Put(PeerRecord record);

    /// <summary>Deletes a record. False when there is none.</summary>
    bool Delete(in PeerId peer);

    /// <summary>All records, as of the call.</summary>
    IEnumerable<PeerRecord> Enumerate();
}
