using System.Text;
using Ipcs.Kademlia.Routing;
using Ipcs.Kademlia.Wire;
using Ipcs.Multiformats;

namespace Ipcs.Kademlia.Tests;

public sealed class DhtResponderTests
{
    private readonly RoutingTable _table = new(Peers.Id(0), 20);
    private readonly Dictionary<PeerId, IReadOnlyList<Multiaddr>> _connected = [];
    private readonly DhtResponder _responder;

    public DhtResponderTests()
    {
        _responder = new DhtResponder(
            _table, new DhtOptions(), new Random(1), () => Peers.Peer(0), p => _connected.GetValueOrDefault(p, []));
    }

    [Fact]
    public void A_ping_is_answered_with_a_ping() =>
        Assert.Equal(DhtMessageType.Ping, Ask(1, new DhtMessage { Type = DhtMessageType.Ping })!.Type);

    [Fact]
    public void Find_node_returns_the_closest_peers_without_the_asking_one()
    {
        for (int i = 1; i < 60; i++)
        {
            _table.Seen(Peers.Start, Peers.Id(i), [Peers.Address(i)]);
        }

        byte[] key = Peers.Id(7).ToArray();
        DhtMessage answer = Ask(7, new DhtMessage { Type = DhtMessageType.FindNode, Key = key })!;
        Assert.Equal(_table.Closest(KadKey.Of(key), 20, Peers.Id(7)).Select(e => e.Peer), answer.Closer.Select(p => p.Peer));
        Assert.DoesNotContain(Peers.Id(7), answer.Closer.Select(p => p.Peer));
    }

    [Fact]
    public void Find_node_finds_the_local_peer_and_connected_clients()
    {
        DhtMessage answer = Ask(1, new DhtMessage { Type = DhtMessageType.FindNode, Key = Peers.Id(0).ToArray() })!;
        Assert.Equal(Peers.Id(0), answer.Closer.Single().Peer);
        Assert.Empty(Ask(1, new DhtMessage { Type = DhtMessageType.FindNode, Key = Peers.Id(9).ToArray() })!.Closer);
        _connected[Peers.Id(9)] = [Peers.Address(9)];
        DhtPeer client = Ask(1, new DhtMessage { Type = DhtMessageType.FindNode, Key = Peers.Id(9).ToArray() })!.Closer.Single();
        Assert.Equal((Peers.Id(9), DhtPeer.Connected), (client.Peer, client.Connection));
    }

    [Fact]
    public void A_peer_can_announce_only_itself()
    {
        var message = new DhtMessage
        {
            Type = DhtMessageType.AddProvider,
            Key = Peers.Key(1).ToArray(),
            Providers = [Peers.Peer(2), Peers.Peer(3)],
        };
        Assert.Null(Ask(3, message));
        DhtMessage answer = Ask(4, new DhtMessage { Type = DhtMessageType.GetProviders, Key = Peers.Key(1).ToArray() })!;
        DhtPeer provider = Assert.Single(answer.Providers);
        Assert.Equal(Peers.Id(3), provider.Peer);
        Assert.Equal([Peers.Address(3)], provider.Addresses);
        Assert.Equal(Peers.Key(1).ToArray(), answer.Key);
    }

    [Fact]
    public void Loopback_addresses_stay_on_their_machine()
    {
        Multiaddr loopback = Multiaddr.Parse("/ip4/127.0.0.1/tcp/4001");
        var message = new DhtMessage
        {
            Type = DhtMessageType.AddProvider,
            Key = Peers.Key(1).ToArray(),
            Providers = [new DhtPeer(Peers.Id(3), [loopback, Peers.Address(3)])],
        };
        var question = new DhtMessage { Type = DhtMessageType.GetProviders, Key = Peers.Key(1).ToArray() };
        Ask(3, message, thisMachine: false);
        Assert.Equal([Peers.Address(3)], Ask(4, question, thisMachine: true)!.Providers.Single().Addresses);
        Ask(3, message, thisMachine: true);
        Assert.Equal([Peers.Address(3)], Ask(4, question, thisMachine: false)!.Providers.Single().Addresses);
        Assert.Equal([loopback, Peers.Address(3)], Ask(4, question, thisMachine: true)!.Providers.Single().Addresses);
    }

    [Fact]
    public void Only_a_valid_public_key_is_stored()
    {
        byte[] publicKey = [8, 1, 18, 32, .. new byte[32]];
        byte[] key = [.. "/pk/"u8, .. PeerId.FromPublicKey(publicKey).ToArray()];
        var put = new DhtMessage { Type = DhtMessageType.PutValue, Key = key, Record = new DhtRecord(key, publicKey) };
        var get = new DhtMessage { Type = DhtMessageType.GetValue, Key = key };
        Assert.Null(Ask(1, get)!.Record);
        Assert.Equal(publicKey, Ask(1, put)!.Record!.Value);
        Assert.Equal(publicKey, Ask(1, get)!.Record!.Value);
        Assert.Matches("^2026-01-01T00:00:00", Ask(1, get)!.Record!.TimeReceived);
        Assert.False(Try(new DhtMessage { Type = DhtMessageType.PutValue, Key = key, Record = new DhtRecord(key, [.. publicKey, 1]) }));
        var record = new DhtRecord("/pk/x"u8.ToArray(), publicKey);
        Assert.False(Try(new DhtMessage { Type = DhtMessageType.PutValue, Key = key, Record = record }));
        byte[] ipns = Encoding.ASCII.GetBytes("/ipns/anything");
        Assert.False(Try(new DhtMessage { Type = DhtMessageType.PutValue, Key = ipns, Record = new DhtRecord(ipns, [1]) }));
    }

    [Fact]
    public void Invalid_requests_are_refused()
    {
        Assert.False(Try(new DhtMessage { Type = DhtMessageType.FindNode }));
        Assert.False(Try(new DhtMessage { Type = DhtMessageType.GetProviders, Key = [1, 2, 3] }));
        Assert.False(Try(new DhtMessage { Type = DhtMessageType.AddProvider, Key = [0x12, 0x20, 1], Providers = [Peers.Peer(1)] }));
        Assert.False(Try(new DhtMessage { Type = DhtMessageType.GetValue, Key = [] }));
    }

    private bool Try(DhtMessage message) => _responder.TryAnswer(Peers.Start, Peers.Id(1), fromThisMachine: false, message, out _);

    private DhtMessage? Ask(int from, DhtMessage message, bool thisMachine = false)
    {
        Assert.True(_responder.TryAnswer(Peers.Start, Peers.Id(from), thisMachine, message, out DhtMessage? answer));
        return answer;
    }
}
