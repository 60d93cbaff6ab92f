using System.Buffers;
using Ipcs.Bitswap.Client;
using Ipcs.Blockstore;
using Ipcs.Multiformats;

namespace Ipcs.Bitswap.Tests.Server;

/// <summary>A peer wants blocks of which the disk does not give one.</summary>
public sealed class UnreadableBlockTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task The_other_blocks_are_sent_and_the_peer_learns_at_once_that_this_one_is_not(bool readFails)
    {
        FailingStore disk = null!;
        await using Node seeder = await Node.StartAsync("yamux", served: store => disk = new FailingStore(store, readFails));
        await using Node leecher = await Node.StartAsync("yamux", new BitswapOptions { NoPeerTime = TimeSpan.FromMilliseconds(500) });
        Cid[] cids = seeder.Add("disk", 40, 100_000);
        disk.Bad = cids[7].Hash;
        await leecher.ConnectAsync(seeder);
        await using BitswapSession session = leecher.Bitswap.CreateSession([seeder.Host.LocalPeer]);
        session.Prefetch(cids);
        var failed = new List<Cid>();
        for (int i = 0; i < cids.Length; i++)
        {
            PrefetchResult result = await session.Results.ReadAsync(Cancel);
            if (result.Failure is { } failure)
            {
                Assert.Contains("no block from", failure.Message, StringComparison.Ordinal);
                failed.Add(result.Cid);
            }
        }

        Assert.Equal([cids[7]], failed);
        Assert.Equal(39, leecher.Bitswap.Statistics.BlocksReceived);
        Assert.InRange(seeder.Bitswap.Statistics.UnreadableBlocks, 1, 10);
        Assert.False(leecher.Bitswap.IsBanned(seeder.Host.LocalPeer));
        Assert.Single(leecher.Host.Peers);
    }

    /// <summary>A store on a disk that does not give one block, or not even its length.</summary>
    private sealed class FailingStore(IBlockstore inner, bool readFails) : IBlockstore
    {
        public Multihash Bad { get; set; }

        public bool Has(in Multihash hash) => inner.Has(hash);

        public bool TryGetLength(in Multihash hash, out int length) =>
            readFails || hash != Bad ? inner.TryGetLength(hash, out length) : throw Failure();

        public IMemoryOwner<byte>? Get(in Multihash hash) => hash != Bad ? inner.Get(hash) : throw Failure();

        public void Put(in Multihash hash, ReadOnlySpan<byte> data, bool bulk = false) => inner.Put(hash, data, bulk);

        public void Delete(in Multihash hash) => inner.Delete(hash);

        public IEnumerable<(Multihash Hash, int Length)> Enumerate() => inner.Enumerate();

        private static StoreException Failure() => new("the disk gives an input/output error");
    }
}
