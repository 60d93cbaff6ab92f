using Ipcs.Blockstore;
using Ipcs.TestKit;

namespace Ipcs.Fleet.Tests;

/// <summary>Contents whose blocks are in the store before their fetch starts.</summary>
public sealed class LocalContentTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    /// <summary>An Info records such a content as owned and not complete, and leaves the check of its blocks to the fetch.</summary>
    [Fact]
    public async Task A_content_whose_blocks_are_in_the_store_becomes_complete_without_a_peer()
    {
        await using FleetNode node = await FleetNode.StartAsync();
        ContentRecord content = await node.AddAsync(Xs128.Bytes("local", 4_000_000), complete: false);
        node.Fleet.StartFetch(content);
        await node.Fleet.WaitAsync(content.Digest, Cancel);
        Assert.True(node.Store.Contents.Get(content.Digest)!.Complete);
        Assert.Equal(0, node.Bitswap.Statistics.BlocksReceived);
    }
}
