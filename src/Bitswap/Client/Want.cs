using Ipcs.Multiformats;

namespace Ipcs.Bitswap.Client;

/// <summary>One block that somebody here waits for. Touched only under the scheduler's lock.</summary>
internal sealed class Want(Cid cid, long now)
{
    public Cid Cid { get; } = cid;

    public TaskCompletionSource Done { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>The sessions that want it, one entry for each time they do.</summary>
    public List<BitswapSession> Sessions { get; } = [];

    /// <summary>The sessions that want it ahead, and how each calls it.</summary>
    public List<(BitswapSession Session, Cid Cid)> Prefetches { get; } = [];

    /// <summary>Those who said they don't have it, or were asked and sent nothing.</summary>
    public HashSet<PeerId> Refused { get; } = [];

    /// <summary>Those who said that they have it.</summary>
    public HashSet<PeerId> Providers { get; } = [];

    /// <summary>When the first of them said so.</summary>
    public long FirstProvidedAt { get; set; } = long.MaxValue;

    /// <summary>Those who were asked to say whether they have it.</summary>
    public HashSet<PeerId> NotifiedPeers { get; } = [];

    /// <summary>True when a reader waits for just this one.</summary>
    public bool Urgent { get; set; }

    /// <summary>Whether it is this node's turn to take it from who has the whole, among <see cref="AssignedAmong"/> others.</summary>
    public bool IsAssigned { get; set; }

    /// <summary>With how many others that was reckoned.</summary>
    public int AssignedAmong { get; set; }

    /// <summary>Of whom it is asked now.</summary>
    public PeerState? Asked { get; set; }

    /// <summary>When it was asked of that peer.</summary>
    public long AskedAt { get; set; }

    /// <summary>What it counts in that peer's window, in bytes.</summary>
    public int Weight { get; set; }

    /// <summary>Since when nobody is asked.</summary>
    public long Since { get; set; } = now;

    /// <summary>When somebody could last be asked, were he not busy.</summary>
    public long ServableAt { get; set; }

    /// <summary>When those who refused are tried again.</summary>
    public long RetryAt { get; set; }

    /// <summary>Where it stands among all wants, as far as order matters: the lower the earlier.</summary>
    public long Order { get; set; }

    /// <summary>Its place among the wants that nobody is asked for; null while somebody is, and once it is wanted no more.</summary>
    public LinkedListNode<Want>? Place { get; set; }

    /// <summary>It is here: tells all who want it.</summary>
    public void Complete(bool isLeaf)
    {
        Done.TrySetResult();
        foreach ((BitswapSession session, Cid cid) in Prefetches)
        {
            session.Report(this, new PrefetchResult(cid, isLeaf));
        }
    }

    /// <summary>It is not to be had: tells all who want it.</summary>
    public void Fail(BlockUnavailableException why)
    {
        Done.TrySetException(why);
        foreach ((BitswapSession session, Cid cid) in Prefetches)
        {
            session.Report(this, new PrefetchResult(cid, IsLeaf: false, why));
        }
    }
}
