using System.Text;
using System.Text.Json.Nodes;
using Ipcs.Multiformats;

namespace Ipcs.Oci.Tests;

public sealed class ImageGraphTests
{
    [Theory]
    [InlineData("[]", "not a JSON object")]
    [InlineData("{", "not valid JSON")]
    [InlineData("""{"a":1,"a":2}""", "not valid JSON")]
    [InlineData("""{"manifests":[],"layers":[]}""", "both a manifest and an index")]
    [InlineData("""{"schemaVersion":1,"fsLayers":[]}""", "schema 1")]
    public void Refuses_documents(string text, string why)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(text);
        Assert.Contains(
            why,
            Assert.Throws<ImageSourceException>(() => ImageGraph.ParseDocument(bytes, Digest.Sha256(bytes))).Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public void Refuses_deep_json()
    {
        byte[] bytes = Encoding.UTF8.GetBytes($"{{\"a\":{new string('[', 100)}{new string(']', 100)}}}");
        Assert.Throws<ImageSourceException>(() => ImageGraph.ParseDocument(bytes, Digest.Sha256(bytes)));
    }

    [Theory]
    [InlineData("""{"mediaType":"a/b","digest":"sha256:1","size":1}""")]
    [InlineData("""{"mediaType":"a/b","digest":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","size":-1}""")]
    [InlineData("""{"mediaType":"a/b","digest":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","size":"1"}""")]
    [InlineData("""{"mediaType":"","digest":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","size":1}""")]
    [InlineData("7")]
    [InlineData("null")]
    public void Refuses_descriptors(string text) => Assert.Throws<ImageSourceException>(() => Descriptor.Parse(JsonNode.Parse(text)));

    [Fact]
    public void Chooses_the_manifest_that_runs_everywhere()
    {
        Descriptor plain = Of("linux/amd64", null), third = Of("linux/amd64", "v3");
        Descriptor arm = Of("linux/arm", "v6"), arm7 = Of("linux/arm", "v7"), free = Of(null, null);
        Assert.Equal([plain], Platform.Choose([third, plain, arm], "linux/amd64"));
        Assert.Equal([third], Platform.Choose([third, arm], "linux/amd64"));
        Assert.Equal([arm7], Platform.Choose([arm, arm7], "linux/arm"));
        Assert.Equal([free], Platform.Choose([arm, free], "linux/amd64"));
        Assert.Empty(Platform.Choose([arm], "linux/amd64"));
        Assert.Equal([arm, free], Platform.Choose([arm, free], null));

        static Descriptor Of(string? platform, string? variant) =>
            new(MediaTypes.OciManifest, Digest.Sha256(Encoding.UTF8.GetBytes($"{platform}{variant}")), 1)
            {
                Platform = platform,
                Variant = variant,
            };
    }

    [Fact]
    public async Task Deeply_nested_indexes_are_refused()
    {
        var image = new TestImage();
        Descriptor inner = image.Manifest([]);
        for (int i = 0; i < 8; i++)
        {
            inner = image.Index(TestImage.Entry(inner));
        }

        ImageSourceException e = await Assert.ThrowsAsync<ImageSourceException>(() => ImageGraph.ExpandAsync(
            inner, (d, _) => Task.FromResult(image.Contents[d]), null, TestContext.Current.CancellationToken));
        Assert.Contains("deeper", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Writes_plus_signs_as_they_are() =>
        Assert.Equal(
            """{"mediaType":"a+b/<c>"}""", Encoding.UTF8.GetString(ImageGraph.Serialize(new JsonObject { ["mediaType"] = "a+b/<c>" })));
}
