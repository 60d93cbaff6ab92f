using Grpc.Core;
using Ipcs.Blockstore;
using Ipcs.Blockstore.Memory;
using Ipcs.Dag;
using Ipcs.Dag.Read;
using Ipcs.Multiformats;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Time.Testing;

namespace Ipcs.ContentApi.Tests;

public sealed class RecentReadsTests
{
    [Fact]
    public void The_last_read_is_first_and_each_content_is_listed_once()
    {
        var recent = new RecentReads(TimeProvider.System);
        foreach (int i in (int[])[1, 2, 3, 1])
        {
            recent.Begun(DigestOf(i));
        }

        Assert.Equal([DigestOf(1), DigestOf(3), DigestOf(2)], recent.Latest);
    }

    [Fact]
    public void Only_the_last_reads_are_kept()
    {
        var recent = new RecentReads(TimeProvider.System);
        for (int i = 0; i < 1000; i++)
        {
            recent.Begun(DigestOf(i));
        }

        Digest[] latest = recent.Latest;
        Assert.Equal(64, latest.Length);
        Assert.Equal([.. Enumerable.Range(936, 64).Reverse().Select(DigestOf)], latest);
    }

    [Theory]
    [InlineData(0, 32_768, true)]
    [InlineData(0, 0, false)]
    [InlineData(0, 100_000, false)]
    [InlineData(32_768, 32_768, false)]
    public async Task Only_a_read_of_the_beginning_counts(long offset, long size, bool counts)
    {
        using IStore store = new MemoryStore();
        await using ContentHost host = await ContentHost.StartAsync(store);
        string digest = await host.Client.CommitAsync("recent", Calls.Bytes(100_000, 1));
        await host.Client.ReadAllAsync(digest, offset, size);
        Assert.Equal(counts ? [Digest.Parse(digest)] : [], host.Services.GetRequiredService<RecentReads>().Latest);
    }

    [Fact]
    public void A_failure_is_reported_for_half_a_minute()
    {
        var time = new FakeTimeProvider();
        var recent = new RecentReads(time);
        Assert.Null(recent.LastFailure);
        recent.Failed(DigestOf(1), "first");
        recent.Failed(DigestOf(2), "then");
        time.Advance(TimeSpan.FromSeconds(29));
        Assert.Equal((DigestOf(2), "then"), recent.LastFailure);
        time.Advance(TimeSpan.FromSeconds(1));
        Assert.Null(recent.LastFailure);
    }

    [Fact]
    public async Task A_failed_read_is_reported()
    {
        using IStore store = new MemoryStore();
        var fleet = new TestFleet(store);
        await using ContentHost host = await ContentHost.StartAsync(store, fleet);
        var lost = new ContentRecord
        {
            Digest = DigestOf(7),
            Kind = ContentKind.Blob,
            Size = 5000,
            Root = Cid.Parse("bafkqaaa"),
            Owned = true,
        };
        store.Contents.Put(lost);
        fleet.Whole.SetException(new ContentUnavailableException("nobody has it"));
        Assert.Equal(StatusCode.Unavailable, (await Calls.FailureAsync(() => host.Client.ReadAllAsync(lost.Digest.ToString()))).StatusCode);
        Assert.Equal((lost.Digest, "nobody has it"), host.Services.GetRequiredService<RecentReads>().LastFailure);
    }

    private static Digest DigestOf(int i) => Digest.Parse($"sha256:{i:x64}");
}
