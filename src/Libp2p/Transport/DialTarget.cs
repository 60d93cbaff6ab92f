using System.Net;
using Ipcs.Multiformats;

namespace Ipcs.Libp2p.Transport;

/// <summary>A TCP end point to dial, and the peer expected there.</summary>
/// <param name="EndPoint">The end point.</param>
/// <param name="Peer">The peer that must answer; null for any.</param>
public readonly record struct DialTarget(IPEndPoint EndPoint, PeerId? Peer);
