using Ipcs.Bitswap.Wire;
using Ipcs.Multiformats;

namespace Ipcs.Bitswap.Client;

/// <summary>The scheduler's state of one connected peer. Accessed only under the scheduler's lock.</summary>
internal sealed class PeerState(PeerId peer, bool saysHave, BitswapOptions options, ReceivedBytes received)
{
    public PeerId Peer { get; } = peer;

    /// <summary>True when the peer speaks Bitswap 1.2.0, which has HAVE and DONT_HAVE.</summary>
    public bool SaysHave { get; } = saysHave;

    public RequestWindow Window { get; } = new(options.FirstWindow, options.MaxWindow);

    /// <summary>Whether it sends at a fair rate what was requested from it.</summary>
    public FairRate Fairness { get; } = new();

    /// <summary>The bytes that it has sent, counted by the readers of its streams.</summary>
    public ReceivedBytes Received { get; } = received;

    /// <summary>The wants that may be requested from it next.</summary>
    public PeerWantQueue PeerWantQueue { get; } = new();

    /// <summary>The wants requested from it.</summary>
    public HashSet<Want> UnderWay { get; } = [];

    /// <summary>The estimated bytes of those wants.</summary>
    public long BytesUnderWay { get; set; }

    /// <summary>When it last sent a block, or got a request while it had none.</summary>
    public long LastBlock { get; set; }

    /// <summary>
    /// True when it has not sent requested blocks in time: until it sends one, it gets one request at most, after all other peers.
    /// </summary>
    public bool Stalled { get; set; }

    /// <summary>False from when its window is full until a quarter of it is free, so that many wants go out in one message.</summary>
    public bool IsFilling { get; set; } = true;

    /// <summary>The blocks that it has sent and that are not cancelled at it yet.</summary>
    public List<Cid> Finished { get; } = [];

    /// <summary>True when one more block may be requested; the first one always may.</summary>
    public bool HasRoom(int typical) =>
        UnderWay.Count == 0 || (!Stalled && Fits(typical) && (IsFilling || BytesUnderWay <= Limit(typical) * 3 / 4));

    /// <summary>True when its window has room for one more block.</summary>
    public bool Fits(int typical) => BytesUnderWay + typical <= Limit(typical);

    /// <summary>The estimated time, in seconds, until the requested blocks have arrived.</summary>
    public double Backlog => Stalled ? double.MaxValue : BytesUnderWay / Math.Max(Window.Rate, 1e6);

    private long Limit(int typical) => Math.Max(Window.Bytes, 2L * typical);
}
