using System.Net;
using Ipcs.Libp2p.Muxing;
using Ipcs.Multiformats;

namespace Ipcs.Libp2p.Swarm;

/// <summary>One upgraded connection to a peer. Owns the muxer.</summary>
internal sealed class Connection(Muxer muxer, Multiaddr address, IPAddress remoteAddress, bool inbound) : IAsyncDisposable
{
    /// <summary>The muxer.</summary>
    public Muxer Muxer => muxer;

    /// <summary>What is known of the peer; replaced when identify has answered.</summary>
    public PeerInfo Info { get; set; } = new(muxer.RemotePeer, address, inbound, muxer.Name, [], "");

    /// <summary>Who is at the other end.</summary>
    public PeerId Peer => muxer.RemotePeer;

    /// <summary>The address it comes from or goes to.</summary>
    public IPAddress RemoteAddress => remoteAddress;

    /// <summary>True when the peer dialled.</summary>
    public bool Inbound => inbound;

    /// <summary>When it was made, in <see cref="Environment.TickCount64"/>.</summary>
    public long Since { get; } = Environment.TickCount64;

    /// <summary>Done when the peer's identify answer is in, or failed.</summary>
    public TaskCompletionSource Identified { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Done when the connection is closed and forgotten.</summary>
    public TaskCompletionSource Gone { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => muxer.DisposeAsync();
}
