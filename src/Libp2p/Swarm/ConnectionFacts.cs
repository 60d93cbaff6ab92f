using System.Net;

namespace Ipcs.Libp2p.Swarm;

/// <summary>What <see cref="ConnectionPolicy"/> knows about a connection, at the time of its decision.</summary>
/// <param name="Network">The remote network (<see cref="RemoteNetwork"/>).</param>
/// <param name="Protected">True when the peer is protected, as configured peers are.</param>
/// <param name="Dialled">True when this host dialled.</param>
/// <param name="Age">How long ago it was made.</param>
/// <param name="Idle">How long ago the peer last sent something on an application's stream; null for never.</param>
/// <param name="Credited">True when the peer has given this host something that it had asked for, not long ago.</param>
internal readonly record struct ConnectionFacts(
    IPAddress Network, bool Protected, bool Dialled, TimeSpan Age, TimeSpan? Idle, bool Credited);
