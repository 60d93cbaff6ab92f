using Ipcs.Multiformats;

namespace Ipcs.Bitswap.Client;

/// <summary>What the want scheduler knows of one connected peer. Touched only under the scheduler's lock.</summary>
internal sealed class PeerState(PeerId peer, bool saysHave, BitswapOptions options)
{
    public PeerId Peer { get; } = peer;

    /// <summary>True when it speaks 1.2.0 and says HAVE and DONT_HAVE.</summary>
    public bool SaysHave { get; } = saysHave;

    public RequestWindow Window { get; } = new(options.FirstWindow, options.MaxWindow);

    /// <summary>What it may be asked for next.</summary>
    public PeerWantQueue PeerWantQueue { get; } = new();

    /// <summary>The wants asked of it.</summary>
    public HashSet<Want> UnderWay { get; } = [];

    /// <summary>Their bytes, as far as can be guessed.</summary>
    public long BytesUnderWay { get; set; }

    /// <summary>When it last sent a block, or was asked after it owed nothing.</summary>
    public long LastBlock { get; set; }

    /// <summary>True once it owed blocks and sent none: it is asked for one at most, and after all others, until it sends again.</summary>
    public bool Stalled { get; set; }

    /// <summary>True when it may be asked for one more block; for one it may always.</summary>
    public bool HasRoom(int typical) => UnderWay.Count == 0 || (!Stalled && BytesUnderWay + typical <= Math.Max(Window.Bytes, 2L * typical));

    /// <summary>How long until it would have sent one block more, in seconds; a guess.</summary>
    public double Backlog => Stalled ? double.MaxValue : BytesUnderWay / Math.Max(Window.Rate, 1e6);
}
