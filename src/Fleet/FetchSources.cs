using Ipcs.Bitswap.Client;
using Ipcs.Multiformats;

namespace Ipcs.Fleet;

/// <summary>
/// The peers from which a session fetches the DAG under one root: those that say they have it, those that are fetching it too, and
/// providers from the DHT, which are connected to. Thread-safe.
/// </summary>
/// <param name="services">What it works with.</param>
/// <param name="digest">The digest that the peers are asked for.</param>
/// <param name="root">The root.</param>
/// <param name="session">The session.</param>
internal sealed class FetchSources(FetchServices services, Digest digest, Cid root, BitswapSession session)
{
    /// <summary>The time between two searches for more sources; it doubles with each search.</summary>
    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(200);

    private static readonly TimeSpan LastPause = TimeSpan.FromSeconds(4);

    private readonly Lock _lock = new();
    private readonly OrderedDictionary<PeerId, bool> _peers = [];

    /// <summary>The digest that the peers are asked for.</summary>
    public Digest Digest => digest;

    /// <summary>
    /// True for a root that peers may have without a record. One that says it has a part may have the whole and not have looked yet: it is
    /// left to the session, which asks every connected peer, to find out. A peer that is fetching the DAG asks this node for it.
    /// </summary>
    public bool IsUnrecorded { get; init; }

    /// <summary>True when peers that failed to send the content lately are asked too.</summary>
    public bool WithFailed { get; init; }

    /// <summary>The peers that are known to have the DAG completely or partly.</summary>
    public PeerId[] Peers
    {
        get
        {
            lock (_lock)
            {
                return [.. _peers.Keys];
            }
        }
    }

    /// <summary>The peers that claim to have the whole DAG.</summary>
    public PeerId[] Claimants =>
    [
        .. services.Locator.Claims(digest, withFailed: true)
            .Where(c => c.Record.Complete && c.Record.Root.Hash == root.Hash)
            .Select(c => c.Peer),
    ];

    /// <summary>
    /// Asks the peers again, for all of some fetches in one question, and uses those that have a content or a part of it.
    /// </summary>
    public static async Task FindAsync(FetchServices services, IReadOnlyList<Digest> digests, Func<IEnumerable<FetchSources>> current)
    {
        Task asking = services.Locator.AskAgainAsync(digests);

        // A hanging peer does not delay the use of the other answers.
        await Task.WhenAny(asking, Task.Delay(FirstPause, services.Time));
        foreach (FetchSources sources in current())
        {
            sources.AddKnown();
        }
    }

    /// <summary>Adds a peer that has the DAG completely or partly.</summary>
    public void Add(PeerId peer, PeerAvailability availability)
    {
        lock (_lock)
        {
            _peers.TryAdd(peer, true);
        }

        session.AddPeer(peer, availability);
    }

    /// <summary>
    /// Finds more sources while the DAG is fetched: peers that have connected, leechers, and providers in the DHT when no connected peer
    /// has a part, or after the first pause when none has the whole. Never throws.
    /// </summary>
    public async Task KeepFindingAsync(CancellationToken over)
    {
        TimeSpan pause = FirstPause;
        AddKnown();
        while (!over.IsCancellationRequested)
        {
            if (!IsConnected(pause == FirstPause ? Peers : Claimants))
            {
                Task search = services.Search.SearchAsync(digest.Hash);
                await search.WaitAsync(over).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                await FindAsync(services, [digest], () => [this]);
            }

            await Task.Delay(pause, services.Time, over).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (over.IsCancellationRequested)
            {
                return;
            }

            await FindAsync(services, [digest], () => [this]);
            pause = pause * 2 < LastPause ? pause * 2 : LastPause;
        }
    }

    /// <summary>Adds the peers that are known by now. When none has the whole, every connected peer is asked for each block.</summary>
    public void AddKnown()
    {
        foreach ((PeerId peer, Blockstore.ContentRecord record) in services.Locator.Claims(digest, WithFailed))
        {
            if (record.Root.Hash == root.Hash && (record.Complete || !IsUnrecorded))
            {
                Add(peer, record.Complete ? PeerAvailability.Complete : PeerAvailability.Partial);
            }
        }

        foreach (PeerId leecher in services.Local.LeechersOf(digest))
        {
            Add(leecher, PeerAvailability.Partial);
        }

        if (!IsUnrecorded && !IsConnected(Claimants))
        {
            session.Broadcast();
        }
    }

    private bool IsConnected(PeerId[] any) => any.Length > 0 && services.Host.Peers.Any(p => any.Contains(p.Peer));
}
