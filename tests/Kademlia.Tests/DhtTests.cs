using Ipcs.Kademlia.Reproviding;
using Ipcs.Kademlia.Routing;
using Ipcs.Kademlia.Wire;
using Ipcs.Libp2p;
using Ipcs.Libp2p.Identity;
using Ipcs.Libp2p.Swarm;
using Ipcs.Multiformats;
using Microsoft.Extensions.Logging.Abstractions;

namespace Ipcs.Kademlia.Tests;

/// <summary>DHT nodes over real hosts on loopback.</summary>
public sealed class DhtTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Providers_are_found_through_a_third_node()
    {
        await using Node middle = await Node.StartAsync(), provider = await Node.StartAsync(), seeker = await Node.StartAsync();
        await provider.MeetAsync(middle);
        await seeker.MeetAsync(middle);
        Assert.InRange(await provider.Dht.ProvideAsync(Peers.Key(1), Cancel), 1, 2);
        AddrInfo found = Assert.Single(await seeker.FindAsync(Peers.Key(1)));
        Assert.Equal(provider.Host.LocalPeer, found.Peer);
        Assert.Equal(provider.Host.ListenAddresses, found.Addresses);
        Assert.Empty(await seeker.FindAsync(Peers.Key(2)));
    }

    [Fact]
    public async Task A_peer_is_found_through_a_third_node()
    {
        await using Node middle = await Node.StartAsync(), wanted = await Node.StartAsync(), seeker = await Node.StartAsync();
        await wanted.MeetAsync(middle);
        await seeker.MeetAsync(middle);
        AddrInfo? found = await seeker.Dht.FindPeerAsync(wanted.Host.LocalPeer, Cancel);
        Assert.Equal(wanted.Host.ListenAddresses, found?.Addresses);
        Assert.Null(await seeker.Dht.FindPeerAsync(Peers.Id(1), Cancel));
    }

    [Fact]
    public async Task A_client_looks_up_and_is_in_no_routing_table()
    {
        await using Node server = await Node.StartAsync(), client = await Node.StartAsync(new DhtOptions { Server = false });
        await client.Host.ConnectAsync(server.Host.ListenAddresses[0], Cancel);
        await UntilAsync(() => client.Dht.TableSize == 1);
        Assert.Equal(1, await client.Dht.ProvideAsync(Peers.Key(1), Cancel));
        Assert.Equal(client.Host.LocalPeer, Assert.Single(await server.FindAsync(Peers.Key(1))).Peer);
        Assert.Equal(0, server.Dht.TableSize);
    }

    [Fact]
    public async Task Lan_and_wan_do_not_mix()
    {
        await using Node lan = await Node.StartAsync(), wan = await Node.StartAsync(new DhtOptions { Mode = DhtMode.Wan });
        await lan.Host.ConnectAsync(wan.Host.ListenAddresses[0], Cancel);
        await UntilAsync(() => wan.Host.Peers.Count == 1);
        Assert.Equal((0, 0), (lan.Dht.TableSize, wan.Dht.TableSize));
    }

    [Fact]
    public async Task A_public_key_is_stored_and_fetched()
    {
        await using Node a = await Node.StartAsync(), b = await Node.StartAsync();
        await a.MeetAsync(b);
        byte[] key = KeyPair.Generate().PublicKeyProtobuf;
        Assert.Equal(1, await a.Dht.PutPublicKeyAsync(key, Cancel));
        Assert.Equal(key, await a.Dht.GetPublicKeyAsync(PeerId.FromPublicKey(key), Cancel));
        Assert.Null(await a.Dht.GetPublicKeyAsync(Peers.Id(1), Cancel));
    }

    [Fact]
    public async Task A_restarted_node_finds_the_peers_it_knew()
    {
        var known = new MemoryKnownPeers();
        await using Node stays = await Node.StartAsync();
        await using (Node first = await Node.StartAsync(known: known))
        {
            await first.MeetAsync(stays);
        }

        Assert.Equal(stays.Host.LocalPeer, Assert.Single(known.Load()).Peer);
        await using Node second = await Node.StartAsync(known: known);
        await UntilAsync(() => second.Dht.TableSize == 1);
    }

    [Fact]
    public async Task A_dead_peer_does_not_keep_a_lookup_and_leaves_the_table()
    {
        await using Node a = await Node.StartAsync(new DhtOptions { RequestTime = TimeSpan.FromSeconds(1) });
        Node dead = await Node.StartAsync();
        await a.MeetAsync(dead);
        await dead.DisposeAsync();
        for (int i = 0; i < 3; i++)
        {
            Assert.Empty(await a.FindAsync(Peers.Key(i)));
        }

        Assert.Equal(0, a.Dht.TableSize);
    }

    [Fact]
    public async Task An_invalid_message_resets_its_stream_only()
    {
        await using Node server = await Node.StartAsync(), bad = await Node.StartAsync();
        await bad.MeetAsync(server);
        foreach (byte[] garbage in (byte[][])[[0xff, 0xff, 0xff, 0xff, 0x7f], [3, 1, 2, 3], [2, 8, 99]])
        {
            await using PeerStream stream = await bad.Host.OpenStreamAsync(server.Host.LocalPeer, ["/ipfs/lan/kad/1.0.0"], Cancel);
            await stream.WriteAsync(garbage, Cancel);
            await Assert.ThrowsAsync<StreamResetException>(async () => await stream.ReadAsync(new byte[1], Cancel));
        }

        Assert.True(await bad.Dht.TryRequestAsync(
            new DhtPeer(server.Host.LocalPeer, []), [new DhtMessage { Type = DhtMessageType.Ping }], Cancel));
    }

    [Fact]
    public async Task The_reprovider_announces_its_keys_and_stores_when()
    {
        var table = new MemoryProvideQueue();
        await using Node provider = await Node.StartAsync(), other = await Node.StartAsync();
        var reprovider = new Reprovider(provider.Dht, table, new ReproviderOptions(), TimeProvider.System, 1, NullLogger.Instance);
        await using (reprovider)
        {
            reprovider.Start();
            reprovider.Update(new HashSet<Multihash>(Enumerable.Range(0, 300).Select(Peers.Key)));
            Assert.Equal((300, 300), (reprovider.Keys, table.List().Count));

            // The provider has no peers yet: the keys are announced once it has one.
            await provider.MeetAsync(other);
            await UntilAsync(() => other.Dht.ProviderRecords == 300 && table.List().All(e => e.ProvidedAt is not null));
            Assert.Equal(provider.Host.LocalPeer, Assert.Single(await other.FindAsync(Peers.Key(299))).Peer);
            reprovider.Update(new HashSet<Multihash>([Peers.Key(1)]));
            Assert.Equal(Peers.Key(1), Assert.Single(table.List()).Key);
            Assert.Equal(0, reprovider.Waiting);
        }

        // After a restart the remaining key is not due again.
        await using var again = new Reprovider(provider.Dht, table, new ReproviderOptions(), TimeProvider.System, 1, NullLogger.Instance);
        again.Start();
        Assert.Equal((1, 0), (again.Keys, again.Waiting));
    }

    private static async Task UntilAsync(Func<bool> condition)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
        limit.CancelAfter(TimeSpan.FromSeconds(30));
        while (!condition())
        {
            await Task.Delay(10, limit.Token);
        }
    }

    private sealed class Node : IAsyncDisposable
    {
        private bool _disposed;

        public required Host Host { get; init; }

        public required Dht Dht { get; init; }

        public static async Task<Node> StartAsync(DhtOptions? options = null, IKnownPeers? known = null)
        {
            var host = new Host(new HostOptions
            {
                Time = TimeProvider.System,
                Seed = 1,
                KeyPair = KeyPair.Generate(),
                ListenAddresses = [Multiaddr.Parse("/ip4/127.0.0.1/tcp/0")],
                Muxers = ["yamux", "mplex"],
            });
            await host.StartAsync(Cancel);
            var dht = new Dht(host, options ?? new DhtOptions(), known, TimeProvider.System, 1, NullLogger.Instance);
            dht.Start();
            return new Node { Host = host, Dht = dht };
        }

        public async Task MeetAsync(Node other)
        {
            await Host.ConnectAsync(other.Host.ListenAddresses[0], Cancel);
            await UntilAsync(() => Knows(this, other) && Knows(other, this));
        }

        public async Task<List<AddrInfo>> FindAsync(Multihash key)
        {
            var found = new List<AddrInfo>();
            await foreach (AddrInfo provider in Dht.FindProvidersAsync(key, Cancel))
            {
                found.Add(provider);
            }

            return found;
        }

        public async ValueTask DisposeAsync()
        {
            if (!_disposed)
            {
                _disposed = true;
                await Dht.DisposeAsync();
                await Host.DisposeAsync();
            }
        }

        private static bool Knows(Node a, Node b) => a.Dht.Locked((table, _) => table.Find(b.Host.LocalPeer) is not null);
    }
}
