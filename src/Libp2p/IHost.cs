using Ipcs.Multiformats;

namespace Ipcs.Libp2p;

/// <summary>A libp2p host as the protocols above it see it.</summary>
public interface IHost
{
    /// <summary>Who we are.</summary>
    PeerId LocalPeer { get; }

    /// <summary>The addresses we listen on, with real ports, without <c>/p2p</c>.</summary>
    IReadOnlyList<Multiaddr> ListenAddresses { get; }

    /// <summary>
    /// Where others can reach us, as identify tells it, without <c>/p2p</c>: the listening addresses with every interface's own address in
    /// place of "any", and what enough peers see us as.
    /// </summary>
    IReadOnlyList<Multiaddr> AnnounceAddresses => ListenAddresses;

    /// <summary>The connected peers, as of the call.</summary>
    IReadOnlyList<PeerInfo> Peers { get; }

    /// <summary>Raised once a peer is connected and its identify answer is in (so its protocols are known).</summary>
    event Action<PeerInfo>? PeerIdentified;

    /// <summary>Raised when the last connection to a peer is gone.</summary>
    event Action<PeerId>? PeerDisconnected;

    /// <summary>
    /// Registers what answers inbound streams of a protocol. When the handler's task ends the stream is closed; when it throws, reset.
    /// </summary>
    void Handle(string protocol, Func<PeerStream, CancellationToken, Task> handler);

    /// <summary>
    /// Connects to a peer by an address that may end in <c>/p2p/ID</c> (then another identity is an error), or returns the connection there is.
    /// An address that has just failed fails again at once, for a while that doubles.
    /// </summary>
    /// <exception cref="ConnectException">It could not be done; the message says where it failed.</exception>
    Task<PeerInfo> ConnectAsync(Multiaddr address, CancellationToken cancellationToken);

    /// <summary>Opens a stream to a connected peer for the first of <paramref name="protocols"/> that it speaks.</summary>
    /// <exception cref="ConnectException">The peer is not connected, or speaks none of them.</exception>
    ValueTask<PeerStream> OpenStreamAsync(PeerId peer, IReadOnlyList<string> protocols, CancellationToken cancellationToken);

    /// <summary>Closes every connection to a peer. False when there was none.</summary>
    ValueTask<bool> DisconnectAsync(PeerId peer);
}

/// <summary>What is known of a connected peer.</summary>
/// <param name="Peer">Who it is.</param>
/// <param name="Address">Where the connection goes, without <c>/p2p</c>.</param>
/// <param name="Inbound">True when it dialled us.</param>
/// <param name="Muxer">The muxer's protocol name.</param>
/// <param name="Protocols">What its identify answer lists; empty before it is in.</param>
/// <param name="AgentVersion">What it calls itself.</param>
public sealed record PeerInfo(
    PeerId Peer, Multiaddr Address, bool Inbound, string Muxer, IReadOnlyList<string> Protocols, string AgentVersion)
{
    /// <summary>Where it says that it listens, without <c>/p2p</c>; those that it has signed when it has signed any.</summary>
    public IReadOnlyList<Multiaddr> ListenAddresses { get; init; } = [];

    /// <summary>The last ping's round trip; null before the first.</summary>
    public TimeSpan? Latency { get; init; }
}

/// <summary>A connection could not be made, or a stream not opened.</summary>
public sealed class ConnectException : IOException
{
    /// <summary>With one line that says what failed.</summary>
    public ConnectException(string message, Exception? inner = null)
        : base(message, inner)
    {
    }
}

/// <summary>The peer or we reset the stream, or its connection is gone.</summary>
public sealed class StreamResetException : IOException
{
    /// <summary>With one line that says why.</summary>
    public StreamResetException(string message, Exception? inner = null)
        : base(message, inner)
    {
    }
}
