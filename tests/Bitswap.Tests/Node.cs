using System.Buffers;
using Ipcs.Bitswap.Client;
using Ipcs.Bitswap.Exchange;
using Ipcs.Blockstore;
using Ipcs.Blockstore.Memory;
using Ipcs.Libp2p.Identity;
using Ipcs.Libp2p.Swarm;
using Ipcs.Multiformats;
using Ipcs.TestKit;
using Microsoft.Extensions.Logging.Abstractions;

namespace Ipcs.Bitswap.Tests;

/// <summary>A host on loopback with an in-memory store, and with Bitswap unless the test implements the peer itself.</summary>
internal sealed class Node : IAsyncDisposable
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public required Host Host { get; init; }

    public required BitswapService Bitswap { get; init; }

    public required MemoryStore Store { get; init; }

    public static async Task<Node> StartAsync(
        string muxers,
        BitswapOptions? options = null,
        bool bitswap = true,
        TimeProvider? time = null,
        Func<IBlockstore, IBlockstore>? served = null)
    {
        var host = new Host(new HostOptions
        {
            Time = TimeProvider.System,
            Seed = 1,
            KeyPair = KeyPair.Generate(),
            ListenAddresses = [Multiaddr.Parse("/ip4/127.0.0.1/tcp/0")],
            Muxers = muxers.Split(','),
        });
        var store = new MemoryStore();
        IBlockstore blocks = served is null ? store.Blocks : served(store.Blocks);
        BitswapService? service = bitswap
            ? new BitswapService(host, blocks, options ?? new BitswapOptions(), NullLogger.Instance, time)
            : null;
        await host.StartAsync(Cancel);
        return new Node { Host = host, Bitswap = service!, Store = store };
    }

    public Task ConnectAsync(Node other) => Host.ConnectAsync(other.Host.ListenAddresses[0], Cancel);

    public Cid[] Add(string seed, int count, int length) => [.. Enumerable.Range(0, count).Select(i =>
    {
        byte[] block = Xs128.Bytes($"{seed}-{i}", length);
        Multihash hash = Multihash.Sha256(block);
        Store.Blocks.Put(hash, block);
        return Cid.V1(Multicodec.Raw, hash);
    })];

    public async Task FetchAsync(IReadOnlyList<Cid> cids, IReadOnlyList<PeerId> peers)
    {
        await using BitswapSession session = Bitswap.CreateSession(peers);
        await Task.WhenAll(cids.Select(async cid =>
        {
            using IMemoryOwner<byte> block = await session.GetAsync(cid, urgent: false, Cancel);
            Assert.Equal(cid.Hash, Multihash.Sha256(block.Memory.Span));
        }));
    }

    public async ValueTask DisposeAsync()
    {
        if (Bitswap is { } service)
        {
            await service.DisposeAsync();
        }

        await Host.DisposeAsync();
    }
}
