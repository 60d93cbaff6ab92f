using Ipcs.Libp2p.Dns;
using Ipcs.Libp2p.Identity;
using Ipcs.Libp2p.Security.Pnet;
using Ipcs.Multiformats;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Ipcs.Libp2p.Swarm;

/// <summary>The options of a host. The defaults suit a fleet of a thousand hosts behind few addresses.</summary>
public sealed class HostOptions
{
    /// <summary>The key that gives the host its peer id.</summary>
    public required KeyPair KeyPair { get; init; }

    /// <summary>The addresses to listen on.</summary>
    public IReadOnlyList<Multiaddr> ListenAddresses { get; init; } = [];

    /// <summary>Addresses of peers to which the host stays connected.</summary>
    public IReadOnlyList<Multiaddr> Peers { get; init; } = [];

    /// <summary>The muxers <c>mplex</c> and <c>yamux</c>, the preferred one first.</summary>
    public IReadOnlyList<string> Muxers { get; init; } = ["mplex", "yamux"];

    /// <summary>The key of a private network, without which no connection is made; null for none.</summary>
    public SwarmKey? SwarmKey { get; init; }

    /// <summary>The peers and networks to connect with.</summary>
    public PeerFilter Filter { get; init; } = PeerFilter.None;

    /// <summary>Limits on the resources that peers can use.</summary>
    public HostLimits Limits { get; init; } = new();

    /// <summary>The agent version of the host's identify message.</summary>
    public string AgentVersion { get; init; } = "ipcs";

    /// <summary>How long resolving the names of an address may take.</summary>
    public TimeSpan ResolveTime { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>How long a TCP connect may take.</summary>
    public TimeSpan DialTime { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>How long the handshakes of a connection may take together.</summary>
    public TimeSpan UpgradeTime { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>How long the negotiation of a stream may take.</summary>
    public TimeSpan StreamTime { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>How long the exchange of an identify message may take, for which <see cref="IHost.ConnectAsync"/> waits.</summary>
    public TimeSpan IdentifyTime { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>How often a connection is pinged.</summary>
    public TimeSpan PingInterval { get; init; } = TimeSpan.FromSeconds(15);

    /// <summary>How long a ping may take before the connection counts as dead and is closed.</summary>
    public TimeSpan PingTime { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>For how long a new connection is not closed for being useless, when there are many.</summary>
    public TimeSpan GraceTime { get; init; } = TimeSpan.FromSeconds(20);

    /// <summary>The longest pause between two dials of an address in <see cref="Peers"/>.</summary>
    public TimeSpan RedialTime { get; init; } = TimeSpan.FromSeconds(15);

    /// <summary>The resolver of <c>/dns*</c> addresses; null for the system's.</summary>
    public IDnsResolver? Dns { get; init; }

    /// <summary>The clock of time limits, pauses and measurements.</summary>
    public required TimeProvider Time { get; init; }

    /// <summary>The seed of the jitter in pauses.</summary>
    public required int Seed { get; init; }

    /// <summary>The log.</summary>
    public ILogger Logger { get; init; } = NullLogger.Instance;
}
