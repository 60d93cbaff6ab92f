using Ipcs.Blockstore;
using Ipcs.Dag.Import;
using Ipcs.Fleet.Growing;
using Ipcs.Fleet.Locating;
using Ipcs.Fleet.Resolve;
using Ipcs.Multiformats;
using Ipcs.TestKit;
using Microsoft.Extensions.Logging.Abstractions;

namespace Ipcs.Fleet.Tests.Locating;

public sealed class ContentLocatorTests
{
    /// <summary>On a clock that runs backwards the newest question counts as the oldest, which a full table removes.</summary>
    [Fact]
    public async Task Every_question_is_decided_when_the_table_is_full()
    {
        await using FleetNode node = await FleetNode.StartAsync();
        var time = new BackwardClock();
        var local = new LocalResolver(node.Store.Contents, node.Store.Blocks, new GrowingContents(ImportProfile.KuboV1, time), time);
        await using var resolve = new ResolveService(node.Host, local, node.Store.Blocks, time);
        await using var locator = new ContentLocator(node.Host, node.Store.Blocks, node.Bitswap, resolve, time, NullLogger.Instance);
        for (int i = 0; i < 4200; i++)
        {
            Task decided = locator.Ask(Digest.Sha256(BitConverter.GetBytes(i))).Decided;
            Assert.True(decided.IsCompleted);
            await decided;
        }

        await local.DisposeAsync();
    }

    /// <summary>A converted content has a CID of version 1 as its root in its record; without a record its root is of version 0.</summary>
    [Fact]
    public async Task Peers_that_name_a_root_by_either_version_have_the_same_content()
    {
        await using FleetNode recorded = await FleetNode.StartAsync(), unrecorded = await FleetNode.StartAsync();
        await using FleetNode asker = await FleetNode.StartAsync();
        byte[] bytes = Xs128.Bytes("either version", 600_000);
        ContentRecord blob = await recorded.AddAsync(bytes);
        await unrecorded.AddAsync(bytes);
        ContentRecord content = blob with { Digest = new Digest(blob.Root.Hash), Kind = ContentKind.Dag };
        Assert.Equal(1, content.Root.Version);
        recorded.Store.Commit(content, ingestRef: null);
        await asker.ConnectAsync(recorded);
        await asker.ConnectAsync(unrecorded);

        var growing = new GrowingContents(ImportProfile.KuboV1, TimeProvider.System);
        var local = new LocalResolver(asker.Store.Contents, asker.Store.Blocks, growing, TimeProvider.System);
        await using var resolve = new ResolveService(asker.Host, local, asker.Store.Blocks, TimeProvider.System);
        await using var locator = new ContentLocator(
            asker.Host, asker.Store.Blocks, asker.Bitswap, resolve, TimeProvider.System, NullLogger.Instance);
        do
        {
            // The one without a record has the content completely once it has walked the DAG.
            await locator.AskAgainAsync([content.Digest]);
        }
        while (locator.Claims(content.Digest, withFailed: true).Count(c => c.Record.Complete) < 2);
        Assert.Equal([0, 1], locator.Claims(content.Digest, withFailed: true).Select(c => c.Record.Root.Version).Order());
        Assert.Single(locator.Candidates(content.Digest, withFailed: true));
        await local.DisposeAsync();
    }

    private sealed class BackwardClock : TimeProvider
    {
        private long _timestamp = long.MaxValue / 2;

        public override long GetTimestamp() => Interlocked.Decrement(ref _timestamp);
    }
}
