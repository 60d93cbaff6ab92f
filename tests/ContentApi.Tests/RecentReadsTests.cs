using Ipcs.Blockstore;
using Ipcs.ContentApi.Reading;
using Ipcs.Multiformats;
using Microsoft.Extensions.DependencyInjection;

namespace Ipcs.ContentApi.Tests;

public sealed class RecentReadsTests
{
    [Fact]
    public void TheLastIsFirstAndEachIsThereOnce()
    {
        var recent = new RecentReads();
        foreach (int i in (int[])[1, 2, 3, 1])
        {
            recent.Begun(DigestOf(i));
        }

        Assert.Equal([DigestOf(1), DigestOf(3), DigestOf(2)], recent.Latest);
    }

    [Fact]
    public void OfManyTheLastAreKept()
    {
        var recent = new RecentReads();
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
    public async Task AReadOfTheBeginAloneCounts(long offset, long size, bool counts)
    {
        using IStore store = new MemoryStore();
        await using ContentHost host = await ContentHost.StartAsync(store);
        string digest = await host.Client.CommitAsync("recent", Calls.Bytes(100_000, 1));
        await host.Client.ReadAllAsync(digest, offset, size);
        Assert.Equal(counts ? [Digest.Parse(digest)] : [], host.Services.GetRequiredService<RecentReads>().Latest);
    }

    private static Digest DigestOf(int i) => Digest.Parse($"sha256:{i:x64}");
}
