using Ipcs.Multiformats;

namespace Ipcs.Kademlia.Routing;

/// <summary>
/// The peers that have a number of leading bits in common with us: up to k that are asked, and up to k more that wait to replace one that fails.
/// Both lists are in the order in which the peers were last seen, the newest last.
/// </summary>
internal sealed class Bucket(int size)
{
    /// <summary>The peers that are asked.</summary>
    public List<TableEntry> Entries { get; } = new(size);

    /// <summary>The peers that wait.</summary>
    public List<TableEntry> Waiting { get; } = [];

    /// <summary>When a lookup last went into this bucket.</summary>
    public DateTimeOffset RefreshedAt { get; set; }

    /// <summary>The entry of a peer, waiting or not; null when it has none.</summary>
    public TableEntry? Find(in PeerId peer) => Find(Entries, peer) ?? Find(Waiting, peer);

    /// <summary>
    /// Puts a peer that has just been seen last in its list. A new one takes a free place, or that of the peer that failed most, or waits;
    /// of those who wait the one not seen for longest goes. Peers that answer are never pushed out by new ones: who floods us with identities gains nothing.
    /// </summary>
    public void Seen(TableEntry entry)
    {
        if (Entries.Remove(entry))
        {
            Entries.Add(entry);
            return;
        }

        Waiting.Remove(entry);
        if (Entries.Count >= size && Entries.MaxBy(e => e.Failures) is { Failures: > 0 } worst)
        {
            Entries.Remove(worst);
        }

        if (Entries.Count < size)
        {
            Entries.Add(entry);
            return;
        }

        if (Waiting.Count >= size)
        {
            Waiting.RemoveAt(0);
        }

        Waiting.Add(entry);
    }

    /// <summary>Takes a peer out; who waits and was seen last takes the place.</summary>
    public bool Remove(in PeerId peer)
    {
        if (Find(Waiting, peer) is { } waiting)
        {
            return Waiting.Remove(waiting);
        }

        if (Find(Entries, peer) is not { } entry)
        {
            return false;
        }

        Entries.Remove(entry);
        if (Waiting.Count > 0)
        {
            Entries.Add(Waiting[^1]);
            Waiting.RemoveAt(Waiting.Count - 1);
        }

        return true;
    }

    private static TableEntry? Find(List<TableEntry> list, PeerId peer) => list.Find(e => e.Peer == peer);
}
