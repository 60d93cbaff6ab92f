using Ipcs.Libp2p.Dns;
using Ipcs.Libp2p.Identity;
using Ipcs.Libp2p.Security.Pnet;
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

    /// <summary>The secret of a private network: with it no connection is made without it. Null for none.</summary>
    public SwarmKey? SwarmKey { get; init; }

    /// <summary>Whom to connect with.</summary>
    public PeerFilter Filter { get; init; } = PeerFilter.None;

    /// <summary>What peers may make us hold.</summary>
    public HostLimits Limits { get; init; } = new();

    /// <summary>What identify calls us.</summary>
    public string AgentVersion { get; init; } = "ipcs";

    /// <summary>How long looking up an address's names may take.</summary>
    public TimeSpan ResolveTime { get; init; } = TimeSpan.FromSeconds(10);

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

    /// <summary>The longest pause between two dials of a configured peer.</summary>
    public TimeSpan RedialTime { get; init; } = TimeSpan.FromSeconds(15);

    /// <summary>What the names of <c>/dns*</c> addresses stand for.</summary>
    public IDnsResolver Dns { get; init; } = new SystemDnsResolver();

    /// <summary>The clock of pauses.</summary>
    public TimeProvider Time { get; init; } = TimeProvider.System;

    /// <summary>Where logs go.</summary>
    public ILogger Logger { get; init; } = NullLogger.Instance;
}
