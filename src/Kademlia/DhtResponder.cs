using System.Globalization;
using Ipcs.Kademlia.Providers;
using Ipcs.Kademlia.Routing;
using Ipcs.Kademlia.Values;
using Ipcs.Kademlia.Wire;
using Ipcs.Multiformats;

namespace Ipcs.Kademlia;

/// <summary>
/// The answers of a DHT server: a message in, a message out, no I/O and no clock. Owns the records of others; not thread-safe: <see cref="Dht"/> locks it.
/// Spec: https://github.com/libp2p/specs/blob/master/kad-dht/README.md, section RPC messages.
/// </summary>
/// <param name="table">Who is told to others.</param>
/// <param name="options">Bounds and the network's kind.</param>
/// <param name="random">For the choice among many providers.</param>
/// <param name="own">How we are told to others: our id and addresses.</param>
/// <param name="connected">Where a connected peer that is not in the table (a client) may be dialled; empty when there is none.</param>
internal sealed class DhtResponder(
    RoutingTable table, DhtOptions options, Random random, Func<DhtPeer> own, Func<PeerId, IReadOnlyList<Multiaddr>> connected)
{
    /// <summary>The records of others.</summary>
    public ProviderStore Providers { get; } = new(options.RecordTime, random);

    /// <summary>The values of others.</summary>
    public ValueStore Values { get; } = new(options.RecordTime);

    /// <summary>
    /// Answers a message.
    /// </summary>
    /// <param name="now">The time.</param>
    /// <param name="from">Who asks.</param>
    /// <param name="fromThisMachine">True when the connection is a loopback one, so that loopback addresses mean something.</param>
    /// <param name="request">What it asks.</param>
    /// <param name="answer">The answer; null when the message has none.</param>
    /// <returns>False when the message is not a legal one: its stream is to be reset.</returns>
    public bool TryAnswer(DateTimeOffset now, PeerId from, bool fromThisMachine, DhtMessage request, out DhtMessage? answer)
    {
        answer = null;
        switch (request.Type)
        {
            case DhtMessageType.Ping:
                answer = new DhtMessage { Type = DhtMessageType.Ping };
                return true;
            case DhtMessageType.FindNode when request.Key is { Length: > 0 } key:
                answer = new DhtMessage { Type = request.Type, ClusterLevel = request.ClusterLevel, Closer = FindNode(key, from, fromThisMachine) };
                return true;
            case DhtMessageType.GetProviders when Multihash.TryParse(request.Key, out Multihash content):
                answer = new DhtMessage
                {
                    Type = request.Type,
                    Key = request.Key,
                    ClusterLevel = request.ClusterLevel,
                    Closer = Closer(KadKey.Of(request.Key), from, fromThisMachine),
                    Providers = [.. Providers.Get(now, content).Select(p => Tell(p.Peer, p.Addresses, fromThisMachine))],
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
            case DhtMessageType.PutValue when request is { Key: { } key, Record: { } record } && key.AsSpan().SequenceEqual(record.Key) && ValueRules.IsValid(key, record.Value):
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

        DhtPeer found = wanted == own().Peer ? own() : Tell(wanted, connected(wanted), fromThisMachine);
        if (found.Addresses.Count > 0)
        {
            peers.Insert(0, found);
        }

        return peers;
    }

    private List<DhtPeer> Closer(KadKey key, PeerId from, bool fromThisMachine) =>
    [
        .. table.Closest(key, options.BucketSize, from).Select(e => Tell(e.Peer, e.Addresses, fromThisMachine)).Where(p => p.Addresses.Count > 0),
    ];

    private void AddProvider(DateTimeOffset now, PeerId from, bool fromThisMachine, in Multihash content, DhtMessage request)
    {
        // Nobody speaks for another: a record names its sender or nothing.
        if (request.Providers.FirstOrDefault(p => p.Peer == from) is { } self)
        {
            Providers.Add(now, content, from, PeerAddresses.Keep(self.Addresses, options.Mode, fromThisMachine));
        }
    }

    private DhtRecord? Value(DateTimeOffset now, byte[] key) => Values.Get(now, key) is { } found
        ? new DhtRecord(key, found.Value, found.At.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.fffffff00'Z'", CultureInfo.InvariantCulture))
        : null;

    /// <summary>A peer as it is told: loopback addresses only to who is on this machine too.</summary>
    private DhtPeer Tell(PeerId peer, IReadOnlyList<Multiaddr> addresses, bool toThisMachine)
    {
        IReadOnlyList<Multiaddr> live = connected(peer);
        return new DhtPeer(
            peer,
            [.. (addresses.Count > 0 ? addresses : live).Where(a => PeerAddresses.IsUseful(a, options.Mode, toThisMachine))],
            live.Count > 0 ? DhtPeer.Connected : DhtPeer.NotConnected);
    }
}
