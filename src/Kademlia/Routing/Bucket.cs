using System.Diagnostics;
using Ipcs.Multiformats;

namespace Ipcs.Kademlia.Routing;

/// <summary>
/// The peers that share a given number of leading bits with the local one: up to k entries, and up to k replacements for entries that fail.
/// Both lists are ordered by when the peers were last seen, the newest last.
/// </summary>
internal sealed class Bucket(int size)
{
    /// <summary>The peers that lookups use.</summary>
    public List<TableEntry> Entries { get; } = new(size);

    /// <summary>The peers that replace entries that fail.</summary>
    public List<TableEntry> Replacements { get; } = [];

    /// <summary>When a lookup last had its target in this bucket.</summary>
    public DateTimeOffset RefreshedAt { get; set; }

    /// <summary>The peer, as an entry or a replacement; null when the bucket does not have it.</summary>
    public TableEntry? Find(in PeerId peer) => Find(Entries, peer) ?? Find(Replacements, peer);

    /// <summary>
    /// Moves a peer that has just been seen to the end of its list. A new peer becomes an entry when there is room, or in place of the
    /// entry that failed most, else a replacement in place of the one not seen for longest. New peers never displace entries that answer,
    /// so that flooding the table with identities has no effect.
    /// </summary>
    public void Seen(TableEntry entry)
    {
        if (Entries.Remove(entry))
        {
            Entries.Add(entry);
            return;
        }

        Replacements.Remove(entry);
        if (Entries.Count >= size && Entries.MaxBy(e => e.Failures) is { Failures: > 0 } worst)
        {
            Entries.Remove(worst);
        }

        if (Entries.Count < size)
        {
            Entries.Add(entry);
            Debug.Assert(Entries.Count <= size, "a bucket has at most k entries");
            return;
        }

        if (Replacements.Count >= size)
        {
            Replacements.RemoveAt(0);
        }

        Replacements.Add(entry);
        Debug.Assert(Entries.Count == size && Replacements.Count <= size, "only a full bucket has replacements, at most k");
    }

    /// <summary>Removes a peer. The replacement that was seen last becomes an entry in its place.</summary>
    public bool Remove(in PeerId peer)
    {
        if (Find(Replacements, peer) is { } replacement)
        {
            return Replacements.Remove(replacement);
        }

        if (Find(Entries, peer) is not { } entry)
        {
            return false;
        }

        Entries.Remove(entry);
        if (Replacements.Count > 0)
        {
            Entries.Add(Replacements[^1]);
            Replacements.RemoveAt(Replacements.Count - 1);
        }

        return true;
    }

    private static TableEntry? Find(List<TableEntry> list, PeerId peer) => list.Find(e => e.Peer == peer);
}
