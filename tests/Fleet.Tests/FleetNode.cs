using Ipcs.Bitswap;
using Ipcs.Bitswap.Exchange;
using Ipcs.Blockstore;
using Ipcs.Blockstore.Memory;
using Ipcs.Dag.Import;
using Ipcs.Dag.Read;
using Ipcs.Kademlia;
using Ipcs.Libp2p.Identity;
using Ipcs.Libp2p.Swarm;
using Ipcs.Multiformats;
using Microsoft.Extensions.Logging.Abstractions;

namespace Ipcs.Fleet.Tests;

/// <summary>One node of a fleet in this process: a host on loopback, an in-memory store, Bitswap and a content fetcher.</summary>
internal sealed class FleetNode : IAsyncDisposable
{
    public required Host Host { get; init; }

    public required MemoryStore Store { get; init; }

    public required BitswapService Bitswap { get; init; }

    public required ContentFetcher Fleet { get; init; }

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public static async Task<FleetNode> StartAsync(
        TimeSpan? findTime = null, BitswapOptions? options = null, IContentRouting? routing = null, TimeProvider? time = null)
    {
        var host = new Host(new HostOptions
        {
            Time = TimeProvider.System,
            Seed = 1,
            KeyPair = KeyPair.Generate(),
            ListenAddresses = [Multiaddr.Parse("/ip4/127.0.0.1/tcp/0")],
            Muxers = ["mplex", "yamux"],
        });
        var store = new MemoryStore();
        var bitswap = new BitswapService(
            host, store.Blocks, options ?? new BitswapOptions { IsLeaf = DagWalk.IsLeaf }, NullLogger.Instance);
        var fleet = new ContentFetcher(
            host,
            store,
            new ContentCatalog(store),
            bitswap,
            ImportProfile.KuboV1,
            findTime ?? TimeSpan.FromSeconds(10),
            time ?? TimeProvider.System,
            NullLogger.Instance,
            routing);
        await host.StartAsync(Cancel);
        return new FleetNode { Host = host, Store = store, Bitswap = bitswap, Fleet = fleet };
    }

    public async Task ConnectAsync(FleetNode other)
    {
        await Host.ConnectAsync(other.Host.ListenAddresses[0], Cancel);
        while (!other.Host.Peers.Any(p => p.Peer == Host.LocalPeer && p.Protocols.Count > 0))
        {
            await Task.Delay(1, Cancel);
        }
    }

    /// <summary>Adds bytes as a complete blob.</summary>
    public async Task<ContentRecord> AddAsync(byte[] bytes, bool complete = true)
    {
        DagRoot root = await DagImport.FromStreamAsync(new MemoryStream(bytes), Store.Blocks, ImportProfile.KuboV1, alsoHash: null, Cancel);
        var record = new ContentRecord
        {
            Digest = Digest.Sha256(bytes),
            Kind = ContentKind.Blob,
            Root = root.Root,
            Size = bytes.Length,
            Profile = "kubo-v1",
            Owned = true,
            Complete = complete,
        };
        Store.Commit(record, ingestRef: null);
        return record;
    }

    /// <summary>Records a content of the fleet as owned and not complete, and starts a patient fetch.</summary>
    public async Task<ContentRecord> TakeAsync(Digest digest)
    {
        ContentRecord found = Assert.IsType<ContentRecord>(await Fleet.SearchAsync(digest, Cancel));
        ContentRecord owned = found with { Owned = true };
        Store.Commit(owned, ingestRef: null);
        Fleet.StartFetch(owned);
        return owned;
    }

    public async ValueTask DisposeAsync()
    {
        await Fleet.DisposeAsync();
        await Bitswap.DisposeAsync();
        await Host.DisposeAsync();
    }
}
