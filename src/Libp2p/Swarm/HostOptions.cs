using Ipcs.Libp2p.Identity;
using Ipcs.Multiformats;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Ipcs.Libp2p.Swarm;

/// <summary>What a host runs with. The defaults suit a fleet of a thousand hosts behind few addresses.</summary>
public sealed class HostOptions
{
    /// <summary>Who we are.</summary>
    public required KeyPair KeyPair { get; init; }

    /// <summary>Where to listen.</summary>
    public IReadOnlyList<Multiaddr> ListenAddresses { get; init; } = [];

    /// <summary>Peers to stay connected to.</summary>
    public IReadOnlyList<Multiaddr> Peers { get; init; } = [];

    /// <summary><c>mplex</c> and <c>yamux</c>, the preferred first.</summary>
    public IReadOnlyList<string> Muxers { get; init; } = ["mplex", "yamux"];

    /// <summary>What identify calls us.</summary>
    public string AgentVersion { get; init; } = "ipcs";

    /// <summary>Connections in all: each costs some hundreds of kilobytes of buffers.</summary>
    public int MaxConnections { get; init; } = 1024;

    /// <summary>Handshakes under way from others: each may hold a socket for the handshake's time and give nothing.</summary>
    public int MaxPendingInbound { get; init; } = 128;

    /// <summary>How long a TCP connect may take.</summary>
    public TimeSpan DialTime { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>How long the handshakes of a connection may take together.</summary>
    public TimeSpan UpgradeTime { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>How long the negotiation of a stream may take.</summary>
    public TimeSpan StreamTime { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>How long ConnectAsync waits for the peer's identify answer.</summary>
    public TimeSpan IdentifyTime { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>How often a connection is pinged.</summary>
    public TimeSpan PingInterval { get; init; } = TimeSpan.FromSeconds(15);

    /// <summary>How long a ping may stay without an answer before the peer counts as dead.</summary>
    public TimeSpan PingTime { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Where logs go.</summary>
    public ILogger Logger { get; init; } = NullLogger.Instance;
}
