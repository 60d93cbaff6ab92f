using Ipcs.Multiformats;

namespace Ipcs.Bitswap.Client;

/// <summary>A wanted block. Accessed only under the scheduler's lock.</summary>
internal sealed class Want(Cid cid, long now)
{
    public Cid Cid { get; } = cid;

    public TaskCompletionSource Done { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>The sessions that want it, with one entry per want.</summary>
    public List<BitswapSession> Sessions { get; } = [];

    /// <summary>The sessions that prefetch it, and the CID that each used.</summary>
    public List<(BitswapSession Session, Cid Cid)> Prefetches { get; } = [];

    /// <summary>The peers that sent DONT_HAVE, or did not send it in time.</summary>
    public HashSet<PeerId> Refused { get; } = [];

    /// <summary>The peers that sent HAVE.</summary>
    public HashSet<PeerId> Providers { get; } = [];

    /// <summary>When the first HAVE arrived.</summary>
    public long FirstProvidedAt { get; set; } = long.MaxValue;

    /// <summary>The peers that were sent a want-have; they get a cancel.</summary>
    public HashSet<PeerId> NotifiedPeers { get; } = [];

    /// <summary>True when a reader waits for this block.</summary>
    public bool Urgent { get; set; }

    /// <summary>True when rendezvous hashing assigns it to this node, among <see cref="AssignedAmong"/> leechers.</summary>
    public bool IsAssigned { get; set; }

    /// <summary>The number of leechers for which that was computed.</summary>
    public int AssignedAmong { get; set; }

    /// <summary>The peer from which it is requested now.</summary>
    public PeerState? Asked { get; set; }

    /// <summary>When it was requested.</summary>
    public long AskedAt { get; set; }

    /// <summary>The estimated bytes in that peer's window.</summary>
    public int Weight { get; set; }

    /// <summary>Since when it is unassigned.</summary>
    public long Since { get; set; } = now;

    /// <summary>When a peer could last serve it, if it had room.</summary>
    public long ServableAt { get; set; }

    /// <summary>When the peers that refused are asked again.</summary>
    public long RetryAt { get; set; }

    /// <summary>Its place in the order of all wants; lower is earlier.</summary>
    public long Order { get; set; }

    /// <summary>Its place among the unassigned wants; null while it is requested, and after its end.</summary>
    public LinkedListNode<Want>? Place { get; set; }

    /// <summary>Completes the want: the block is stored. Its bytes may still be in memory.</summary>
    public void Complete(bool isLeaf, ReceivedBlock? block)
    {
        Done.TrySetResult();
        foreach ((BitswapSession session, Cid cid) in Prefetches)
        {
            session.Report(this, cid, isLeaf, block);
        }
    }

    /// <summary>Fails the want: no peer sends the block.</summary>
    public void Fail(BlockUnavailableException why)
    {
        Done.TrySetException(why);
        foreach ((BitswapSession session, Cid cid) in Prefetches)
        {
            session.Report(this, cid, isLeaf: false, failure: why);
        }
    }
}
