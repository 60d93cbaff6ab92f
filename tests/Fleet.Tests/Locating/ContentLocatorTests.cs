using Ipcs.Blockstore;
using Ipcs.Fleet.Growing;
using Ipcs.Fleet.Locating;
using Ipcs.Fleet.Resolve;
using Ipcs.Multiformats;
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
        var local = new LocalResolver(node.Store.Contents, node.Store.Blocks, new GrowingContents("kubo-v1", time), time);
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

    private sealed class BackwardClock : TimeProvider
    {
        private long _timestamp = long.MaxValue / 2;

        public override long GetTimestamp() => Interlocked.Decrement(ref _timestamp);
    }
}
