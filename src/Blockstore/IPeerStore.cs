using Ipcs.Multiformats;

namespace Ipcs.Blockstore;

/// <summary>Peers that were met, and where: what a node dials after its restart. Thread-safe.</summary>
public interface IPeerStore
{
    /// <summary>The most peers kept; past it, those not seen the longest go: a public DHT would show millions.</summary>
    public const int MaxPeers = 4096;

    /// <summary>The most addresses kept of one peer, the first of the record: it says itself how many it has.</summary>
    public const int MaxAddresses = 16;

    /// <summary>The record; null when there is none.</summary>
    PeerRecord? Get(in PeerId peer);

    /// <summary>Puts or replaces a record (not synced: a crash may lose the newest, never tear one).</summary>
    void Put(PeerRecord record);

    /// <summary>Removes a record. False when there was none.</summary>
    bool Delete(in PeerId peer);

    /// <summary>All records, as of the call.</summary>
    IEnumerable<PeerRecord> Enumerate();
}
