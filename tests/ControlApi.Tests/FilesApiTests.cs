using System.Text.Json.Nodes;
using Ipcs.Blockstore;
using Ipcs.Blockstore.Memory;
using Ipcs.Dag.Directories;
using Ipcs.Dag.Import;
using Ipcs.Multiformats;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging.Abstractions;

namespace Ipcs.ControlApi.Tests;

/// <summary><c>ls</c> without <c>stream</c>, of directories in the local store.</summary>
public sealed class FilesApiTests
{
    /// <summary>A directory of 1000 entries takes more than 128 KiB of JSON.</summary>
    private const int Entries = 1000;

    /// <summary>So many of them take more than what is kept back.</summary>
    private const int Long = (DocumentWriter.MaxBuffered / (128 * Entries)) + 1;

    private readonly MemoryStore _store = new();

    [Fact]
    public async Task A_listing_is_one_document()
    {
        (DefaultHttpContext context, TestResponse response) = await ListAsync(Directory(Entries), Directory(1));
        Assert.Equal(200, context.Response.StatusCode);
        Assert.Equal("application/json", context.Response.ContentType);
        Assert.Equal([Entries, 1], JsonNode.Parse(response.Text)!["Objects"]!.AsArray().Select(o => o!["Links"]!.AsArray().Count));
    }

    [Fact]
    public async Task A_listing_that_is_sent_in_several_parts_is_one_document()
    {
        Cid[] roots = [.. Enumerable.Repeat(Directory(Entries), 3 * Long)];
        (DefaultHttpContext context, TestResponse response) = await ListAsync(roots);
        Assert.InRange(response.Stream.Length, 3 * DocumentWriter.MaxBuffered, long.MaxValue);
        Assert.Equal("application/json", context.Response.ContentType);
        Assert.All(JsonNode.Parse(response.Text)!["Objects"]!.AsArray(), o => Assert.Equal(Entries, o!["Links"]!.AsArray().Count));
        Assert.False(response.Aborted);
    }

    [Fact]
    public async Task A_listing_that_fails_before_much_was_sent_is_an_error_as_a_whole()
    {
        (DefaultHttpContext context, TestResponse response) = await ListAsync(Directory(Entries), Directory(10, missing: true));
        Assert.Equal(500, context.Response.StatusCode);
        Assert.Equal("error", (string?)JsonNode.Parse(response.Text)!["Type"]);
        Assert.False(response.Aborted);
    }

    [Fact]
    public async Task A_long_listing_that_fails_is_cut_off()
    {
        Cid whole = Directory(Entries);
        Cid[] roots = [.. Enumerable.Repeat(whole, Long), Directory(10, missing: true)];
        (_, TestResponse response) = await ListAsync(roots);
        Assert.True(response.Aborted);
        Assert.StartsWith("{\"Objects\":[", response.Text, StringComparison.Ordinal);
        Assert.DoesNotContain("\"Type\":\"error\"", response.Text, StringComparison.Ordinal);
    }

    private async Task<(DefaultHttpContext Context, TestResponse Response)> ListAsync(params Cid[] roots)
    {
        (DefaultHttpContext context, TestResponse response) =
            TestResponse.New("?offline=true&arg=" + string.Join("&arg=", roots));

        // A request that is offline has no fleet.
        var sources = new RequestBlockSources(_store, new ContentCatalog(_store), Fetcher: null!, Host: null!, TimeProvider.System);
        await ControlApiRoutes.AnswerAsync(context, new FilesApi(sources).ListAsync, NullLogger.Instance);
        return (context, response);
    }

    private Cid Directory(int entries, bool missing = false)
    {
        var builder = new DirectoryBuilder(_store.Blocks, ImportProfile.KuboV1);
        for (int i = 0; i < entries; i++)
        {
            // The size of a raw block is in the link; a dag-pb node has to be read.
            uint codec = missing && i == entries / 2 ? Multicodec.DagPb : Multicodec.Raw;
            builder.Add($"file {i}", new DagRoot(Cid.V1(codec, Multihash.Sha256(BitConverter.GetBytes(i))), 4, 4, 1));
        }

        return builder.Finish().Root;
    }
}
