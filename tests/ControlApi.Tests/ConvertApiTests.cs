using System.Text.Json.Nodes;
using Ipcs.Blockstore;
using Ipcs.Blockstore.Memory;
using Ipcs.Dag.Import;
using Ipcs.Multiformats;
using Ipcs.TestKit;
using Microsoft.AspNetCore.Http;

namespace Ipcs.ControlApi.Tests;

public sealed class ConvertApiTests : IDisposable
{
    private const int LayerLength = 600_000;
    private readonly TempFolder _folder = new();
    private readonly MemoryStore _store = new();

    public ConvertApiTests()
    {
        Directory.CreateDirectory(_folder["image/blobs/sha256"]);
        JsonObject manifest = new()
        {
            ["schemaVersion"] = 2,
            ["mediaType"] = "application/vnd.oci.image.manifest.v1+json",
            ["config"] = Blob("application/vnd.oci.image.config.v1+json", "{}"u8.ToArray()),
            ["layers"] = new JsonArray(Blob("application/vnd.oci.image.layer.v1.tar", Xs128.Bytes("layer", LayerLength))),
        };
        JsonObject target = Blob((string)manifest["mediaType"]!, System.Text.Encoding.UTF8.GetBytes(manifest.ToJsonString()));
        File.WriteAllText(_folder["image/oci-layout"], """{"imageLayoutVersion":"1.0.0"}""");
        File.WriteAllText(
            _folder["image/index.json"], new JsonObject { ["schemaVersion"] = 2, ["manifests"] = new JsonArray(target) }.ToJsonString());
    }

    public void Dispose()
    {
        _store.Dispose();
        _folder.Dispose();
    }

    /// <summary>By default with the profile of the daemon; the digests of contents of one chunk stay with raw leaves.</summary>
    [Theory]
    [InlineData("kubo-v1", null, "kubo-v1")]
    [InlineData("kubo-v0", null, "kubo-v0")]
    [InlineData("kubo-v1", "kubo-v0", "kubo-v0")]
    [InlineData("kubo-v0", "kubo-v1", "kubo-v1")]
    public async Task The_profile_of_the_daemon_is_the_default(string daemons, string? option, string expected)
    {
        JsonNode image = await ConvertAsync(daemons, option is null ? "" : "&profile=" + option);
        JsonNode[] contents = [.. image["descriptors"]!.AsArray().Select(d => d!)];
        Assert.Equal(3, contents.Length);
        foreach (JsonNode content in contents)
        {
            Assert.True(Digest.TryParse((string)content["converted"]!, out Digest digest));
            ContentRecord record = _store.Contents.Get(digest)!;
            bool isLayer = (long)content["size"]! == LayerLength;
            Assert.Equal((expected, true), (record.Profile, record.Complete));
            Assert.Equal(expected == "kubo-v1" && !isLayer ? ContentKind.Blob : ContentKind.Dag, record.Kind);
            Assert.Equal(expected == "kubo-v1" ? 1 : 0, record.Root.Version);
            Assert.Equal(record.Root.ToString(), (string?)content["root"]);
            Assert.Equal((string?)content["original"] == (string?)content["converted"], expected == "kubo-v1" && IsConfig(content));
        }

        static bool IsConfig(JsonNode content) => ((string)content["mediaType"]!).Contains("config", StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("&chunker=size-100000", "kubo-v1-size-100000", 7)]
    [InlineData("&chunker=tar", "kubo-v1-tar", 0)]
    [InlineData("&chunker=size-100000&profile=kubo-v0", "kubo-v0-size-100000", 7)]
    public async Task Chunkers_combine_with_profiles(string options, string expected, int layerBlocks)
    {
        JsonNode image = await ConvertAsync("kubo-v1", options);
        Assert.All(_store.Contents.Enumerate(), record => Assert.Equal(expected, record.Profile));
        JsonNode layer = image["descriptors"]!.AsArray().Single(d => (long)d!["size"]! == LayerLength)!;
        Assert.Equal(layerBlocks == 0 ? (long)layer["blocks"]! : layerBlocks, (long)layer["blocks"]!);
    }

    [Theory]
    [InlineData("&profile=kubo", "profile 'kubo': not kubo-v1 or kubo-v0")]
    [InlineData("&chunker=size-0", "chunker 'size-0'")]
    public async Task A_profile_or_chunker_that_does_not_exist_is_an_error(string options, string message)
    {
        ApiException error = await Assert.ThrowsAsync<ApiException>(() => ConvertAsync("kubo-v1", options));
        Assert.Contains(message, error.Message, StringComparison.Ordinal);
        Assert.Empty(_store.Blocks.Enumerate());
    }

    private async Task<JsonNode> ConvertAsync(string daemons, string options)
    {
        Assert.True(ImportProfile.TryParse(daemons, out ImportProfile? profile));
        var context = new DefaultHttpContext();
        context.Request.QueryString = new QueryString($"?arg=oci:{_folder["image"]}{options}");
        using var body = new MemoryStream();
        context.Response.Body = body;
        var api = new ConvertApi(
            new ControlApiOptions
            {
                Version = "",
                AgentVersion = "",
                Data = _folder.Path,
                ApiSocket = _folder["api"],
                Containerd = _folder["containerd"],
                Profile = profile,
                StorageMax = 0,
                Config = () => [],
            },
            _store,
            new ContentCatalog(_store),
            TimeProvider.System);
        await api.ConvertAsync(new ApiRequest(context));
        string[] lines = System.Text.Encoding.UTF8.GetString(body.ToArray()).Split('\n', StringSplitOptions.RemoveEmptyEntries);
        return JsonNode.Parse(lines[^1])!;
    }

    private JsonObject Blob(string mediaType, byte[] bytes)
    {
        Digest digest = Digest.Sha256(bytes);
        File.WriteAllBytes(Path.Combine(_folder["image/blobs/sha256"], digest.ToString()[7..]), bytes);
        return new JsonObject { ["mediaType"] = mediaType, ["digest"] = digest.ToString(), ["size"] = (long)bytes.Length };
    }
}
