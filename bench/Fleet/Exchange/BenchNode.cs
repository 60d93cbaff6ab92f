using System.Diagnostics;
using Ipcs.Bitswap;
using Ipcs.Blockstore;
using Ipcs.Dag.Import;
using Ipcs.Libp2p;
using Ipcs.Libp2p.Identity;
using Ipcs.Libp2p.Swarm;
using Ipcs.Multiformats;
using Ipcs.Node.Fleet;
using Microsoft.Extensions.Logging.Abstractions;

namespace Ipcs.Bench.Exchange;

/// <summary>A node with its store in a folder of its own, which goes with it.</summary>
internal sealed class BenchNode : IAsyncDisposable
{
    public required Host Host { get; init; }

    public required RocksStore Store { get; init; }

    public required BitswapService Bitswap { get; init; }

    public required Fleet Fleet { get; init; }

    public required string Folder { get; init; }

    public static async Task<BenchNode> StartAsync(string muxer, long uploadRate = 0)
    {
        string folder = Directory.CreateTempSubdirectory("ipcs-exchange-").FullName;
        var host = new Host(new HostOptions
        {
            KeyPair = KeyPair.Generate(),
            ListenAddresses = [Multiaddr.Parse("/ip4/127.0.0.1/tcp/0")],
            Muxers = [muxer],
        });
        RocksStore store = RocksStore.Open(folder);
        var bitswap = new BitswapService(host, store.Blocks, new BitswapOptions { UploadRate = uploadRate }, NullLogger.Instance);
        var fleet = new Fleet(host, store, new ContentUpdates(store), bitswap, TimeSpan.FromSeconds(30), TimeProvider.System, NullLogger.Instance);
        await host.StartAsync(CancellationToken.None);
        return new BenchNode { Host = host, Store = store, Bitswap = bitswap, Fleet = fleet, Folder = folder };
    }

    public async Task ConnectAsync(BenchNode other)
    {
        await Host.ConnectAsync(other.Host.ListenAddresses[0], CancellationToken.None);
        while (!other.Host.Peers.Any(p => p.Peer == Host.LocalPeer && p.Protocols.Count > 0))
        {
            await Task.Delay(1);
        }
    }

    public async Task<ContentRecord> AddAsync(Stream bytes)
    {
        using var hash = System.Security.Cryptography.IncrementalHash.CreateHash(System.Security.Cryptography.HashAlgorithmName.SHA256);
        DagRoot root = await DagImport.FromStreamAsync(bytes, Store.Blocks, ImportProfile.KuboV1, hash, CancellationToken.None);
        if (!Multihash.TryParse((byte[])[0x12, 0x20, .. hash.GetHashAndReset()], out Multihash digest))
        {
            throw new InvalidOperationException("no multihash");
        }

        var record = new ContentRecord
        {
            Digest = new Digest(digest),
            Kind = ContentKind.Blob,
            Root = root.Root,
            Size = root.Size,
            Profile = "kubo-v1",
            Owned = true,
            Complete = true,
        };
        Store.Commit(record, ingestRef: null);
        return record;
    }

    public async ValueTask DisposeAsync()
    {
        await Fleet.DisposeAsync();
        await Bitswap.DisposeAsync();
        await Host.DisposeAsync();
        Store.Dispose();
        Directory.Delete(Folder, recursive: true);
    }
}
