using Ipcs.Multiformats;

namespace Ipcs.Libp2p;

/// <summary>A libp2p host as the protocols above it use it.</summary>
public interface IHost
{
    /// <summary>This host's own id.</summary>
    PeerId LocalPeer { get; }

    /// <summary>The clock of the host's time limits and measurements.</summary>
    TimeProvider Time { get; }

    /// <summary>The addresses that the host listens on, with their actual ports, without <c>/p2p</c>.</summary>
    IReadOnlyList<Multiaddr> ListenAddresses { get; }

    /// <summary>
    /// The addresses that identify announces, without <c>/p2p</c>: the listening addresses, with "any" replaced by the addresses of the
    /// interfaces and by those under which enough peers see this host.
    /// </summary>
    IReadOnlyList<Multiaddr> AnnounceAddresses => ListenAddresses;

    /// <summary>The connected peers at the time of the call.</summary>
    IReadOnlyList<PeerInfo> Peers { get; }

    /// <summary>
    /// How many connections the host is content with. When it has many more, it closes those that it can do without.
    /// </summary>
    int ConnectionTarget { get; }

    /// <summary>
    /// Raised when a peer's identify message has arrived, so that its protocols are known; again after each identify push.
    /// </summary>
    event Action<PeerInfo>? PeerIdentified;

    /// <summary>Raised when the last connection to a peer has ended.</summary>
    event Action<PeerId>? PeerDisconnected;

    /// <summary>
    /// Registers the handler of a protocol's inbound streams. A stream is closed when its handler's task completes, and reset when the task
    /// fails.
    /// </summary>
    void Handle(string protocol, Func<PeerStream, CancellationToken, Task> handler);

    /// <summary>
    /// Connects to a peer, or returns the existing connection. The address may end in <c>/p2p/ID</c>; another peer answering there is then
    /// an error. An address that has just failed fails again without a dial during a back-off that doubles with each failure.
    /// </summary>
    /// <exception cref="ConnectException">The connection could not be made, or the peer closed it without an answer.</exception>
    Task<PeerInfo> ConnectAsync(Multiaddr address, CancellationToken cancellationToken);

    /// <summary>Opens a stream to a connected peer for the first of <paramref name="protocols"/> that the peer supports.</summary>
    /// <exception cref="ConnectException">The peer is not connected, or supports none of them.</exception>
    ValueTask<PeerStream> OpenStreamAsync(PeerId peer, IReadOnlyList<string> protocols, CancellationToken cancellationToken);

    /// <summary>
    /// Keeps the connections to these peers, instead of those named before for the same tag, when others are closed to make room.
    /// </summary>
    void Protect(string tag, IReadOnlyCollection<PeerId> peers);

    /// <summary>
    /// Records that a connected peer has given this host what it had asked for: its connection is kept before those of other peers.
    /// </summary>
    void Credit(PeerId peer);

    /// <summary>Closes every connection to a peer. False when there was none.</summary>
    ValueTask<bool> DisconnectAsync(PeerId peer);
}
