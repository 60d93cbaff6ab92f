using System.Globalization;
using Ipcs.Kademlia.Providers;
using Ipcs.Kademlia.Routing;
using Ipcs.Kademlia.Values;
using Ipcs.Kademlia.Wire;
using Ipcs.Multiformats;

namespace Ipcs.Kademlia;

/// <summary>
/// Computes the answers of a DHT server, without I/O or clock. Owns the records and values of other peers. Not thread-safe:
/// <see cref="Dht"/> locks it. Spec: https://github.com/libp2p/specs/blob/master/kad-dht/README.md, section RPC messages.
/// </summary>
/// <param name="table">The peers that answers name.</param>
/// <param name="options">The options.</param>
/// <param name="random">Chooses among many providers.</param>
/// <param name="own">The local peer and its addresses.</param>
/// <param name="connected">The addresses of a connected peer, which may be a client and so not in the table; empty when it is not
/// connected.</param>
internal sealed class DhtResponder(
    RoutingTable table, DhtOptions options, Random random, Func<DhtPeer> own, Func<PeerId, IReadOnlyList<Multiaddr>> connected)
{
    /// <summary>The provider records of other peers.</summary>
    public ProviderStore Providers { get; } = new(options.RecordTime, random);

    /// <summary>The values of other peers.</summary>
    public ValueStore Values { get; } = new(options.RecordTime);

    /// <summary>Answers a message.</summary>
    /// <param name="now">The current time.</param>
    /// <param name="from">The peer that asks.</param>
    /// <param name="fromThisMachine">True when the peer is on this machine, so that loopback addresses are valid for both.</param>
    /// <param name="request">The request.</param>
    /// <param name="answer">The answer; null for a request that has none.</param>
    /// <returns>False when the request is invalid: the caller resets its stream.</returns>
    public bool TryAnswer(DateTimeOffset now, PeerId from, bool fromThisMachine, DhtMessage request, out DhtMessage? answer)
    {
        answer = null;
        switch (request.Type)
        {
            case DhtMessageType.Ping:
                answer = new DhtMessage { Type = DhtMessageType.Ping };
                return true;
            case DhtMessageType.FindNode when request.Key is { Length: > 0 } key:
                answer = new DhtMessage
                {
                    Type = request.Type,
                    ClusterLevel = request.ClusterLevel,
                    Closer = FindNode(key, from, fromThisMachine),
                };
                return true;
            case DhtMessageType.GetProviders when Multihash.TryParse(request.Key, out Multihash content):
                answer = new DhtMessage
                {
                    Type = request.Type,
                    Key = request.Key,
                    ClusterLevel = request.ClusterLevel,
                    Closer = Closer(KadKey.Of(request.Key), from, fromThisMachine),
                    Providers = [.. Providers.Get(now, content).Select(p => Describe(p.Peer, p.Addresses, fromThisMachine))],
                };
                return true;
            case DhtMessageType.AddProvider when Multihash.TryParse(request.Key, out Multihash content):
                AddProvider(now, from, fromThisMachine, content, request);
                return true;
            case DhtMessageType.GetValue when request.Key is { Length: > 0 } key:
                answer = new DhtMessage
                {
                    Type = request.Type,
                    Key = key,
                    ClusterLevel = request.ClusterLevel,
                    Record = Value(now, key),
                    Closer = Closer(KadKey.Of(key), from, fromThisMachine),
                };
                return true;
            case DhtMessageType.PutValue when request is { Key: { } key, Record: { } record }
                && key.AsSpan().SequenceEqual(record.Key) && ValueRules.IsValid(key, record.Value):
                Values.Put(now, key, record.Value);
                answer = new DhtMessage { Type = request.Type, Key = key, ClusterLevel = request.ClusterLevel, Record = record };
                return true;
            default:
                return false;
        }
    }

    private List<DhtPeer> FindNode(byte[] key, PeerId from, bool fromThisMachine)
    {
        List<DhtPeer> peers = Closer(KadKey.Of(key), from, fromThisMachine);
        if (!PeerId.TryParse(key, out PeerId wanted) || wanted == from || peers.Exists(p => p.Peer == wanted))
        {
            return peers;
        }

        DhtPeer found = wanted == own().Peer ? own() : Describe(wanted, connected(wanted), fromThisMachine);
        if (found.Addresses.Count > 0)
        {
            peers.Insert(0, found);
        }

        return peers;
    }

    private List<DhtPeer> Closer(KadKey key, PeerId from, bool fromThisMachine) =>
    [
        .. table.Closest(key, options.BucketSize, from)
            .Select(e => Describe(e.Peer, e.Addresses, fromThisMachine))
            .Where(p => p.Addresses.Count > 0),
    ];

    private void AddProvider(DateTimeOffset now, PeerId from, bool fromThisMachine, in Multihash content, DhtMessage request)
    {
        // A peer can announce only itself as a provider.
        if (request.Providers.FirstOrDefault(p => p.Peer == from) is { } self)
        {
            Providers.Add(now, content, from, PeerAddresses.Filter(self.Addresses, options.Mode, fromThisMachine));
        }
    }

    private DhtRecord? Value(DateTimeOffset now, byte[] key) => Values.Get(now, key) is { } found
        ? new DhtRecord(key, found.Value, found.At.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.fffffff00'Z'", CultureInfo.InvariantCulture))
        : null;

    /// <summary>A peer as an answer names it: with loopback addresses only when the receiver is on this machine.</summary>
    private DhtPeer Describe(PeerId peer, IReadOnlyList<Multiaddr> addresses, bool toThisMachine)
    {
        IReadOnlyList<Multiaddr> live = connected(peer);
        return new DhtPeer(
            peer,
            [.. (addresses.Count > 0 ? addresses : live).Where(a => PeerAddresses.IsUseful(a, options.Mode, toThisMachine))],
            live.Count > 0 ? DhtPeer.Connected : DhtPeer.NotConnected);
    }
}
