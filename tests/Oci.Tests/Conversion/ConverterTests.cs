using System.Formats.Tar;
using System.IO.Compression;
using System.Text.Json;
using System.Text.Json.Nodes;
using Ipcs.Blockstore;
using Ipcs.Blockstore.Memory;
using Ipcs.Dag;
using Ipcs.Dag.Import;
using Ipcs.Dag.Read;
using Ipcs.Multiformats;
using Ipcs.Oci.Conversion;
using Ipcs.TestKit;

namespace Ipcs.Oci.Tests;

public sealed class ConverterTests : IDisposable
{
    private static readonly CancellationToken Stop = TestContext.Current.CancellationToken;
    private static readonly ImportProfile Tarred = ConvertProfiles.WithChunker(ImportProfile.KuboV0, "tar");
    private readonly MemoryStore _store = new();

    public void Dispose() => _store.Dispose();

    private Task<ConvertedImage> ConvertAsync(
        IImageSource source, bool all = false, ImportProfile? profile = null, IStore? store = null) =>
        new Converter(source, _ => (store ?? _store).Blocks, profile ?? ImportProfile.KuboV0)
        {
            AllPlatforms = all,
            Memory = new StoreMemory(store ?? _store),
        }.ConvertAsync(Stop);

    private async Task<byte[]> ReadAsync(Digest root)
    {
        Cid cid = DagFile.TryReadRoot(_store.Blocks.Get(root.Hash)!.Memory.Span, out _)
            ? Cid.V0(root.Hash)
            : Cid.V1(Multicodec.Raw, root.Hash);
        await using DagReader reader = await DagReader.OpenAsync(cid, new LocalBlockSource(_store.Blocks), Stop);
        byte[] bytes = new byte[reader.Length];
        for (int at = 0; at < bytes.Length;)
        {
            at += await reader.ReadAsync(at, bytes.AsMemory(at), Stop);
        }

        return bytes;
    }

    private async Task<JsonObject> ReadJsonAsync(Digest root) => ImageGraph.ParseDocument(await ReadAsync(root), root);

    private static async Task<Digest> RootOfAsync(byte[] bytes)
    {
        using var store = new MemoryStore();
        DagRoot root = await DagImport.FromStreamAsync(new MemoryStream(bytes), store.Blocks, ImportProfile.KuboV0, null, Stop);
        return new Digest(root.Root.Hash);
    }

    [Fact]
    public async Task Every_descriptor_names_the_root_of_its_content()
    {
        TestImage image = TestImage.Simple(0, 10, 262144, 700_000);
        ConvertedImage converted = await ConvertAsync(new TestSource(image));
        JsonObject manifest = await ReadJsonAsync(converted.Target.Digest), original = image.Json(image.Target.Digest);
        Assert.Equal(image.Target.Digest, converted.Original);
        Assert.Equal(converted.Target.Digest.Hash, converted.Root.Hash);
        (JsonNode?, JsonNode?)[] pairs = [.. ImageGraph.Parts(original).Zip(ImageGraph.Parts(manifest))];
        Assert.Equal(5, pairs.Length);
        foreach ((JsonNode? from, JsonNode? to) in pairs)
        {
            Descriptor before = Descriptor.Parse(from), after = Descriptor.Parse(to);
            Assert.Equal(before.MediaType, after.MediaType);
            Assert.Equal(before.Size, after.Size);
            Assert.Equal(await RootOfAsync(image.Contents[before.Digest]), after.Digest);
            Assert.Equal(image.Contents[before.Digest], await ReadAsync(after.Digest));
        }

        // Parents are last, and each content is listed once.
        Assert.Equal(image.Target.Digest, converted.Descriptors[^1].Original);
        Assert.Equal(6, converted.Descriptors.Count);
    }

    public static TheoryData<string> Golden => [.. GoldenFiles().Select(f => f.Text("name")!)];

    private static IEnumerable<JsonElement> GoldenFiles() =>
        Vectors.Load("unixfs-vectors.json").GetProperty("files").EnumerateArray().Where(f => ProfileOf(f) is not null);

    private static ImportProfile? ProfileOf(JsonElement f) =>
        f.GetProperty("options") is var o && o.Text("layout") == "balanced" && o.Text("chunker") == "size-262144"
        && o.GetProperty("maxChildren").GetInt32() == 174
        && f.GetProperty("input").Text("gen") == "xs128-v1" && f.GetProperty("input").GetProperty("size").GetInt64() < 50_000_000
        && !f.TryGetProperty("mode", out _) && !f.TryGetProperty("mtime", out _)
            ? (o.GetProperty("cidVersion").GetInt32(), o.GetProperty("rawLeaves").GetBoolean()) switch
            {
                (0, false) => ImportProfile.KuboV0,
                (1, true) => ImportProfile.KuboV1,
                _ => null,
            }
            : null;

    /// <summary>
    /// The converted digest of a layer is that of the CID which the JavaScript importer makes from the same bytes, as
    /// <c>ipfs add</c> and <c>ipfs add --cid-version=1</c> do; also when the layer is in the store.
    /// </summary>
    [Theory]
    [MemberData(nameof(Golden))]
    public async Task Digests_are_those_of_another_importer(string name)
    {
        JsonElement file = GoldenFiles().Single(f => f.Text("name") == name);
        JsonElement input = file.GetProperty("input");
        byte[] bytes = Xs128.Bytes(input.Text("seed")!, input.GetProperty("size").GetInt32());
        var image = new TestImage();
        image.Target = image.Manifest([image.Put(TestImage.Gzip, bytes)]);
        ConvertedImage converted = await ConvertAsync(new TestSource(image), profile: ProfileOf(file));
        Assert.Equal(file.Text("root"), Layer(converted).Root.ToString());

        // The layer is here, under other inner nodes.
        using var other = new MemoryStore();
        await image.StoreAsync(other, ImportProfile.KuboV1 with { MaxChildren = 100 });
        converted = await ConvertAsync(new TestSource(image), profile: ProfileOf(file), store: other);
        Assert.Equal(file.Text("root"), Layer(converted).Root.ToString());

        static ConvertedDescriptor Layer(ConvertedImage image) => image.Descriptors.Single(d => d.MediaType == TestImage.Gzip);
    }

    [Fact]
    public void There_are_golden_files() =>
        Assert.All(
            [ImportProfile.KuboV0, ImportProfile.KuboV1],
            profile => Assert.True(GoldenFiles().Count(f => ProfileOf(f) == profile) >= 5, profile.Name));

    [Fact]
    public async Task Unknown_fields_and_foreign_layers_stay()
    {
        var image = new TestImage();
        JsonObject foreign = image.Put("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", [1, 2, 3]);
        foreign["urls"] = new JsonArray("https://elsewhere.example/layer");
        JsonObject layer = image.Put("application/vnd.example.unknown+weird", [4, 5]);
        layer["annotations"] = new JsonObject { ["a"] = "b+c" };
        layer["data"] = "BAU=";
        JsonObject subject = TestImage.Entry(new Descriptor(MediaTypes.OciManifest, Digest.Sha256([9]), 9));
        image.Target = image.Manifest([foreign, layer], m =>
        {
            m["annotations"] = new JsonObject { ["org.example"] = "kept" };
            m["artifactType"] = "application/vnd.example.signature";
            m["subject"] = subject.DeepClone();
            m["future"] = new JsonArray(1, 2.50m, null);
        });
        ConvertedImage converted = await ConvertAsync(new TestSource(image));
        JsonObject before = image.Json(image.Target.Digest), after = await ReadJsonAsync(converted.Target.Digest);
        foreach (string field in (string[])["annotations", "artifactType", "subject", "future", "schemaVersion", "mediaType"])
        {
            Assert.Equal(before[field]!.ToJsonString(), after[field]!.ToJsonString());
        }

        Assert.Equal(foreign.ToJsonString(), after["layers"]![0]!.ToJsonString());
        Assert.Equal("b+c", (string?)after["layers"]![1]!["annotations"]!["a"]);
        Assert.Null(after["layers"]![1]!["data"]);
        Assert.NotEqual((string?)layer["digest"], (string?)after["layers"]![1]!["digest"]);
    }

    private static TestImage MultiPlatform()
    {
        var image = new TestImage();
        JsonObject shared = image.Put(TestImage.Gzip, Xs128.Bytes("shared", 300_000));
        string[] host = Platform.Host.Split('/');
        Descriptor ours = image.Manifest([shared], seed: "ours");
        Descriptor theirs = image.Manifest([shared, image.Put(TestImage.Gzip, [1])], seed: "theirs");
        Descriptor attestation = image.Manifest([image.Put("application/vnd.in-toto+json", [2])], seed: "attestation");
        JsonObject entry = TestImage.Entry(attestation, "unknown", "unknown");
        entry["annotations"] = new JsonObject
        {
            ["vnd.docker.reference.digest"] = ours.Digest.ToString(),
            ["vnd.docker.reference.type"] = "attestation-manifest",
        };
        image.Target = image.Index(TestImage.Entry(ours, host[0], host[1]), TestImage.Entry(theirs, "plan9", "mips", "v9"), entry);
        return image;
    }

    [Fact]
    public async Task An_index_keeps_its_platforms()
    {
        TestImage image = MultiPlatform();
        ConvertedImage converted = await ConvertAsync(new TestSource(image));
        JsonArray before = image.Json(image.Target.Digest)["manifests"]!.AsArray();
        JsonArray after = (await ReadJsonAsync(converted.Target.Digest))["manifests"]!.AsArray();
        Assert.Equal(before.Select(m => m!["platform"]!.ToJsonString()), after.Select(m => m!["platform"]!.ToJsonString()));

        // The platform of this host is converted. The descriptors of the others are unchanged, and none of their contents was read.
        Assert.NotEqual((string?)before[0]!["digest"], (string?)after[0]!["digest"]);
        Assert.Equal(before[1]!.ToJsonString(), after[1]!.ToJsonString());
        Assert.Equal((string?)before[2]!["digest"], (string?)after[2]!["digest"]);
        Assert.Equal((string?)after[0]!["digest"], (string?)after[2]!["annotations"]!["vnd.docker.reference.digest"]);
        Assert.Equal(4, converted.Descriptors.Count);
    }

    [Fact]
    public async Task All_platforms_are_converted_when_asked_to()
    {
        TestImage image = MultiPlatform();
        var source = new TestSource(image);
        ConvertedImage converted = await ConvertAsync(source, all: true);
        JsonArray after = (await ReadJsonAsync(converted.Target.Digest))["manifests"]!.AsArray();
        Assert.Equal(3, after.Count);
        foreach (JsonNode? entry in after)
        {
            foreach (Descriptor part in ImageGraph.Children(await ReadJsonAsync(Descriptor.Parse(entry).Digest), null))
            {
                Assert.Equal(part.Size, (await ReadAsync(part.Digest)).Length);
            }
        }

        Assert.Equal("unknown/unknown", Descriptor.Parse(after[2]).Platform);
        Assert.Equal((string?)after[0]!["digest"], (string?)after[2]!["annotations"]!["vnd.docker.reference.digest"]);

        // The layer that two of them share is read once: 4 documents, 3 configs, 3 layers.
        Assert.Equal(10, source.Opened);
    }

    [Fact]
    public async Task Nothing_for_this_host_is_an_error()
    {
        var image = new TestImage();
        image.Target = image.Index(TestImage.Entry(image.Manifest([]), "plan9", "mips"));
        Assert.Contains(
            "--all-platforms",
            (await Assert.ThrowsAsync<ImageSourceException>(() => ConvertAsync(new TestSource(image)))).Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public async Task Converting_again_reads_no_layer()
    {
        TestImage image = TestImage.Simple(500_000, 20);
        ConvertedImage first = await ConvertAsync(new TestSource(image));
        var source = new TestSource(image);
        ConvertedImage second = await ConvertAsync(source);
        Assert.Equal(first.Target, second.Target);
        Assert.Equal(first.Descriptors.OrderBy(d => d.Size), second.Descriptors.OrderBy(d => d.Size));
        Assert.Equal(1, source.Opened);

        // A missing block is made again.
        Cid root = first.Descriptors.Single(d => d.Size == 500_000).Root;
        Multihash leaf = DagWalk.Children(root, _store.Blocks.Get(root.Hash)!.Memory.Span).First().Hash;
        _store.Blocks.Delete(leaf);
        source = new TestSource(image);
        Assert.Equal(first.Target, (await ConvertAsync(source)).Target);
        Assert.Equal(2, source.Opened);
        Assert.True(_store.Blocks.Has(leaf));
    }

    [Theory]
    [InlineData("kubo-v0")]
    [InlineData("kubo-v1")]
    public async Task A_converted_image_is_converted_to_itself(string name)
    {
        Assert.True(ImportProfile.TryParse(name, out ImportProfile? profile));
        ConvertedImage first = await ConvertAsync(new TestSource(TestImage.Simple(500_000)), profile: profile);
        ConvertedStore.Record(_store, new ContentCatalog(_store), first, "app", profile, DateTimeOffset.UnixEpoch);
        var again = new TestImage { Target = first.Target };
        await using var source = new Ipcs.Oci.Sources.LocalFirstSource(new TestSource(again), _store);
        Assert.Equal(first.Target.Digest, (await ConvertAsync(source, profile: profile)).Target.Digest);
    }

    [Fact]
    public async Task Another_chunker_makes_another_image()
    {
        TestImage image = TestImage.Simple(500_000);
        ConvertedImage whole = await ConvertAsync(new TestSource(image));
        ImportProfile finer = ConvertProfiles.WithChunker(ImportProfile.KuboV0, "size-65536");
        ConvertedImage small = await ConvertAsync(new TestSource(image), profile: finer);
        Assert.NotEqual(whole.Target.Digest, small.Target.Digest);
        Assert.True(small.Descriptors.Max(d => d.Blocks) > whole.Descriptors.Max(d => d.Blocks));
        Assert.Equal("kubo-v1-tar", ConvertProfiles.WithChunker(ImportProfile.KuboV1, "tar").Name);
        Assert.Same(ImportProfile.KuboV1, ConvertProfiles.WithChunker(ImportProfile.KuboV1, "size-262144"));
        Assert.Same(ImportProfile.KuboV1, ConvertProfiles.WithChunker(ImportProfile.KuboV1, null));
        Assert.Throws<FormatException>(() => ConvertProfiles.WithChunker(ImportProfile.KuboV0, "size-0"));
        Assert.Throws<FormatException>(() => ConvertProfiles.WithChunker(ImportProfile.KuboV0, "nonsense"));
    }

    [Theory]
    [InlineData("a layer that is not there")]
    [InlineData("a layer with other bytes")]
    [InlineData("a layer that is longer")]
    [InlineData("a config that is shorter")]
    [InlineData("no image")]
    public async Task Broken_images_are_errors(string what)
    {
        TestImage image = TestImage.Simple(300_000, 300_001);
        Descriptor[] parts = [.. ImageGraph.Children(image.Json(image.Target.Digest), null)];
        switch (what)
        {
            case "a layer that is not there":
                image.Contents.Remove(parts[2].Digest);
                break;
            case "a layer with other bytes":
                image.Contents[parts[1].Digest] = new byte[300_000];
                break;
            case "a layer that is longer":
                image.Contents[parts[1].Digest] = new byte[300_002];
                break;
            case "a config that is shorter":
                image.Contents[parts[0].Digest] = [];
                break;
            default:
                image.Target = image.Target with { MediaType = "text/plain" };
                break;
        }

        await Assert.ThrowsAsync<ImageSourceException>(() => ConvertAsync(new TestSource(image)));
        Assert.Empty(_store.Pins.Enumerate());
        Assert.Empty(_store.Contents.Enumerate());
    }

    private static byte[] Tar()
    {
        using var bytes = new MemoryStream();
        using (var writer = new TarWriter(bytes, TarEntryFormat.Pax, leaveOpen: true))
        {
            var data = new MemoryStream(Xs128.Bytes("file", 500_000));
            writer.WriteEntry(new PaxTarEntry(TarEntryType.RegularFile, "file") { DataStream = data });
        }

        return bytes.ToArray();
    }

    private static byte[] Pack(byte[] bytes, Func<Stream, Stream> compress)
    {
        using var packed = new MemoryStream();
        using (Stream stream = compress(packed))
        {
            stream.Write(bytes);
        }

        return packed.ToArray();
    }

    [Theory]
    [InlineData("kubo-v0")]
    [InlineData("kubo-v1")]
    public async Task The_tar_chunker_unpacks_layers_and_nothing_else(string name)
    {
        Assert.True(ImportProfile.TryParse(name, out ImportProfile? form));
        byte[] tar = Tar();
        var image = new TestImage();
        image.Target = image.Manifest(
        [
            image.Put(TestImage.Gzip, Pack(tar, s => new GZipStream(s, CompressionLevel.Fastest, leaveOpen: true))),
            image.Put(MediaTypes.OciLayer + "+zstd", Pack(tar, s => new ZstdSharp.CompressionStream(s))),
            image.Put(
                MediaTypes.DockerLayer + ".gzip", Pack([.. tar, 0], s => new GZipStream(s, CompressionLevel.Fastest, leaveOpen: true))),
            image.Put("application/vnd.example+gzip", [1, 2, 3]),
        ]);
        ImportProfile profile = ConvertProfiles.WithChunker(form, "tar");
        ConvertedImage converted = await ConvertAsync(new TestSource(image), profile: profile);
        Descriptor[] parts = [.. ImageGraph.Children(await ReadJsonAsync(converted.Target.Digest), null)];
        Assert.Equal(
            [
                MediaTypes.OciConfig,
                MediaTypes.OciLayer,
                MediaTypes.OciLayer,
                MediaTypes.DockerLayer,
                "application/vnd.example+gzip",
            ],
            parts.Select(p => p.MediaType));
        Assert.Equal(tar, await ReadAsync(parts[1].Digest));
        Assert.Equal(parts[1].Digest, parts[2].Digest);
        Assert.Equal((long[])[tar.Length, tar.Length, tar.Length + 1, 3], parts[1..].Select(p => p.Size));
        Assert.Equal((byte[])[1, 2, 3], await ReadAsync(parts[4].Digest));

        // The DAG is remembered for this profile.
        var source = new TestSource(image);
        Assert.Equal(converted.Target, (await ConvertAsync(source, profile: profile)).Target);
        Assert.Equal(1, source.Opened);
    }

    [Theory]
    [InlineData(TestImage.Gzip)]
    [InlineData(MediaTypes.OciLayer + "+zstd")]
    public async Task A_layer_that_cannot_be_unpacked_is_an_error(string mediaType)
    {
        var image = new TestImage();
        image.Target = image.Manifest([image.Put(mediaType, Xs128.Bytes("noise", 1000))]);
        ImageSourceException error = await Assert.ThrowsAsync<ImageSourceException>(() =>
            ConvertAsync(new TestSource(image), profile: Tarred));
        Assert.Contains("cannot be decompressed", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_layer_that_unpacks_to_more_than_the_bound_is_an_error_that_names_it()
    {
        byte[] tar = Tar();
        foreach (string mediaType in (string[])[TestImage.Gzip, MediaTypes.OciLayer + "+zstd"])
        {
            bool zstd = mediaType.EndsWith("zstd", StringComparison.Ordinal);
            byte[] layer = Pack(tar, s => zstd
                ? new ZstdSharp.CompressionStream(s)
                : new GZipStream(s, CompressionLevel.Fastest, leaveOpen: true));
            var image = new TestImage();
            image.Target = image.Manifest([image.Put(mediaType, layer)]);
            ImageSourceException error = await Assert.ThrowsAsync<ImageSourceException>(() => ConvertAsync(tar.Length - 1));
            Assert.Contains(Digest.Sha256(layer).ToString(), error.Message, StringComparison.Ordinal);
            Assert.Contains($"more than the {tar.Length - 1} bytes", error.Message, StringComparison.Ordinal);
            await ConvertAsync(tar.Length);

            Task<ConvertedImage> ConvertAsync(long maxLayerLength) =>
                new Converter(new TestSource(image), _ => _store.Blocks, Tarred) { MaxLayerLength = maxLayerLength }.ConvertAsync(Stop);
        }
    }

    [Fact]
    public async Task Too_many_descriptors_are_an_error()
    {
        var image = new TestImage();
        JsonObject layer = image.Put(TestImage.Gzip, [1]);
        image.Target = image.Manifest([.. Enumerable.Repeat(layer, 5000)]);
        Assert.Contains(
            "4096",
            (await Assert.ThrowsAsync<ImageSourceException>(() => ConvertAsync(new TestSource(image)))).Message,
            StringComparison.Ordinal);
    }
}
