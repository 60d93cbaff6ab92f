using System.Net;
using Ipcs.Libp2p.Muxing;
using Ipcs.Multiformats;

namespace Ipcs.Libp2p.Swarm;

/// <summary>One upgraded connection to a peer. Owns the muxer.</summary>
internal sealed class Connection(Muxer muxer, Multiaddr address, IPAddress remoteAddress, bool inbound) : IAsyncDisposable
{
    private readonly Lock _lock = new();
    private PeerInfo _info = new(muxer.RemotePeer, address, inbound, muxer.Name, [], "");

    /// <summary>The muxer.</summary>
    public Muxer Muxer => muxer;

    /// <summary>What is known about the peer. Replaced by <see cref="UpdateInfo"/>.</summary>
    public PeerInfo Info => Volatile.Read(ref _info);

    /// <summary>The peer at the other end.</summary>
    public PeerId Peer => muxer.RemotePeer;

    /// <summary>The remote IP address.</summary>
    public IPAddress RemoteAddress => remoteAddress;

    /// <summary>True when the peer dialled this host.</summary>
    public bool Inbound => inbound;

    /// <summary>When the connection was made, as a timestamp of the muxer's clock.</summary>
    public long OpenedAt { get; } = muxer.Time.GetTimestamp();

    /// <summary>Completes when the peer's identify message has arrived, or the request for it has failed.</summary>
    public TaskCompletionSource Identified { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Completes when the connection is closed and removed from the table.</summary>
    public TaskCompletionSource Removed { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>
    /// Replaces <see cref="Info"/> by a changed copy, and returns the copy. The change runs under a lock, so that identify messages and
    /// pings, which arrive on different threads, don't overwrite each other's changes.
    /// </summary>
    public PeerInfo UpdateInfo(Func<PeerInfo, PeerInfo> change)
    {
        lock (_lock)
        {
            PeerInfo changed = change(_info);
            Volatile.Write(ref _info, changed);
            return changed;
        }
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => muxer.DisposeAsync();
}
