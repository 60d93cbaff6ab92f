using System.Text.Json.Nodes;
using Ipcs.Blockstore;
using Ipcs.Blockstore.Memory;
using Ipcs.Dag;
using Ipcs.Dag.Gc;
using Ipcs.Dag.Import;
using Ipcs.Dag.Read;
using Ipcs.Multiformats;
using Ipcs.Oci.Conversion;
using Ipcs.TestKit;
using Microsoft.Extensions.Logging.Abstractions;

namespace Ipcs.Oci.Tests;

/// <summary>Images that are in the store are converted out of their chunks; the two images share them from then on.</summary>
public sealed class StoredImageTests : IDisposable
{
    private static readonly CancellationToken Stop = TestContext.Current.CancellationToken;
    private readonly MemoryStore _store = new();

    public void Dispose() => _store.Dispose();

    private Task<ConvertedImage> ConvertAsync(IImageSource source, ImportProfile profile, bool all = false) =>
        new Converter(source, _ => _store.Blocks, profile) { AllPlatforms = all, Memory = new StoreMemory(_store) }.ConvertAsync(Stop);

    private void Record(ConvertedImage image, ImportProfile profile) =>
        ConvertedStore.Record(_store, new ContentCatalog(_store), image, "app", profile, DateTimeOffset.UnixEpoch);

    private async Task<byte[]> ReadAsync(Cid root)
    {
        await using DagReader reader = await DagReader.OpenAsync(root, new LocalBlockSource(_store.Blocks), Stop);
        byte[] bytes = new byte[reader.Length];
        for (int at = 0; at < bytes.Length;)
        {
            at += await reader.ReadAsync(at, bytes.AsMemory(at), Stop);
        }

        return bytes;
    }

    private async Task CollectAsync()
    {
        using var collector = new GarbageCollector(
            _store, new ContentCatalog(_store), new NoIngests(), TimeProvider.System, NullLogger<GarbageCollector>.Instance);
        await collector.CollectAsync((_, _) => { }, Stop);
    }

    /// <summary>The bytes of the blocks in the store.</summary>
    private long Stored() => _store.Blocks.Enumerate().Sum(b => (long)b.Length);

    /// <summary>With the profile of the stored contents, and with other inner nodes above the same leaves (a peer's DAG).</summary>
    [Theory]
    [InlineData(174)]
    [InlineData(10)]
    public async Task An_image_that_is_here_shares_all_its_chunks_and_no_layer_is_read(int children)
    {
        TestImage image = TestImage.Simple(0, 10, 262_144, 700_000, 10_000_000);
        await image.StoreAsync(_store, ImportProfile.KuboV1 with { MaxChildren = children });
        long before = Stored();
        var source = new TestSource(image);
        ConvertedImage converted = await ConvertAsync(source, ImportProfile.KuboV1);
        Assert.Equal(1, source.Opened);
        Assert.InRange(Stored(), before + 1, before * 1.01);
        foreach (ConvertedDescriptor d in converted.Descriptors.Where(d => d.Original != image.Target.Digest))
        {
            Assert.Equal(d.Size <= 262_144, d.Original == d.Converted);
            Assert.Equal(image.Contents[d.Original], await ReadAsync(d.Root));
        }

        JsonObject manifest = ImageGraph.ParseDocument(await ReadAsync(converted.Root), converted.Target.Digest);
        Assert.Equal(converted.Target.Digest, Digest.Sha256(await ReadAsync(converted.Root)));
        Assert.Equal(
            ImageGraph.Parts(manifest).Select(p => Descriptor.Parse(p).Digest).ToHashSet(),
            converted.Descriptors.SkipLast(1).Select(d => d.Converted).ToHashSet());
    }

    [Theory]
    [InlineData("a chunk is gone")]
    [InlineData("an inner node is gone")]
    [InlineData("a damaged chunk was found")]
    [InlineData("its chunks have another length")]
    [InlineData("its length is another one")]
    public async Task A_layer_whose_chunks_cannot_be_used_is_read(string why)
    {
        TestImage image = TestImage.Simple(700_000);
        await image.StoreAsync(
            _store, why == "its chunks have another length" ? ConvertProfiles.WithChunker(ImportProfile.KuboV1, "size-1000")
                : ImportProfile.KuboV1);
        ContentRecord layer = _store.Contents.Enumerate().Single(c => c.Size == 700_000);
        switch (why)
        {
            case "a chunk is gone":
                _store.Blocks.Delete(DagWalk.Children(layer.Root, _store.Blocks.Get(layer.Root.Hash)!.Memory.Span).Last().Hash);
                break;
            case "an inner node is gone":
                _store.Blocks.Delete(layer.Root.Hash);
                break;
            case "a damaged chunk was found":
                _store.Contents.Put(layer with { Complete = false });
                break;
            case "its length is another one":
                _store.Contents.Put(layer with { Size = 700_001 });
                break;
        }

        var source = new TestSource(image);
        ConvertedImage converted = await ConvertAsync(source, ImportProfile.KuboV1);
        Assert.Equal(2, source.Opened);
        Assert.Equal(image.Contents[layer.Digest], await ReadAsync(converted.Descriptors.Single(d => d.Size == 700_000).Root));
    }

    [Fact]
    public async Task An_image_of_small_contents_stays_as_it_is()
    {
        var image = new TestImage();
        JsonObject layer = image.Put(TestImage.Gzip, [4, 5]);
        layer["data"] = "BAU=";
        image.Target = image.Index(TestImage.Entry(image.Manifest([layer])));

        // Not as this program would write it.
        byte[] index = [.. image.Contents[image.Target.Digest], (byte)'\n'];
        image.Target = new Descriptor(image.Target.MediaType, Digest.Sha256(index), index.Length);
        image.Contents[image.Target.Digest] = index;
        ConvertedImage converted = await ConvertAsync(new TestSource(image), ImportProfile.KuboV1, all: true);
        Assert.Equal(image.Target, converted.Target);
        Assert.All(converted.Descriptors, d => Assert.Equal(d.Original, d.Converted));
        Assert.NotEqual(image.Target, (await ConvertAsync(new TestSource(image), ImportProfile.KuboV0, all: true)).Target);
    }

    /// <summary>What an older version has converted, with dag-pb leaves, is remembered, and no part of an image with raw leaves.</summary>
    [Fact]
    public async Task Profiles_do_not_share_what_is_remembered()
    {
        TestImage image = TestImage.Simple(500_000);
        ConvertedImage old = await ConvertAsync(new TestSource(image), ImportProfile.KuboV0);
        var source = new TestSource(image);
        ConvertedImage now = await ConvertAsync(source, ImportProfile.KuboV1);
        Assert.Equal(3, source.Opened);
        Assert.NotEqual(old.Target, now.Target);
        foreach ((ImportProfile profile, ConvertedImage expected) in new[] { (ImportProfile.KuboV0, old), (ImportProfile.KuboV1, now) })
        {
            source = new TestSource(image);
            Assert.Equal(expected.Target, (await ConvertAsync(source, profile)).Target);
            Assert.Equal(1, source.Opened);
        }
    }

    [Fact]
    public async Task A_recorded_image_has_pins_and_content_records()
    {
        ConvertedImage converted = await ConvertAsync(new TestSource(TestImage.Simple(500_000, 3)), ImportProfile.KuboV0);
        Assert.Empty(_store.Pins.Enumerate());
        Assert.Empty(_store.Contents.Enumerate());

        // What a peer said of one of them was false.
        ConvertedDescriptor told = converted.Descriptors[^1];
        _store.Contents.Put(new ContentRecord
        {
            Digest = told.Converted,
            Kind = ContentKind.Dag,
            Root = converted.Descriptors[0].Root,
            Size = told.Size + 1,
        });
        Record(converted, ImportProfile.KuboV0);
        Assert.Equal(4, _store.Pins.Enumerate().Count());
        foreach (ConvertedDescriptor d in converted.Descriptors)
        {
            ContentRecord record = _store.Contents.Get(d.Converted)!;
            Assert.Equal(
                (ContentKind.Dag, d.Root, d.Size, true, false), (record.Kind, record.Root, record.Size, record.Complete, record.Owned));
        }
    }

    /// <summary>A content that keeps its digest is a blob, and stays containerd's when it was; all others are dags.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Contents_of_one_chunk_are_recorded_as_blobs(bool here)
    {
        TestImage image = TestImage.Simple(500_000, 3);
        if (here)
        {
            await image.StoreAsync(_store, ImportProfile.KuboV1);
        }

        Dictionary<Digest, ContentRecord> before = _store.Contents.Enumerate().ToDictionary(c => c.Digest);
        ConvertedImage converted = await ConvertAsync(new TestSource(image), ImportProfile.KuboV1);
        Record(converted, ImportProfile.KuboV1);
        foreach (ConvertedDescriptor d in converted.Descriptors)
        {
            ContentRecord record = _store.Contents.Get(d.Converted)!;
            Assert.Equal(d.Size == 500_000 ? ContentKind.Dag : ContentKind.Blob, record.Kind);
            Assert.Equal((d.Root, d.Size, true), (record.Root, record.Size, record.Complete));
            Assert.Equal(here && d.Original == d.Converted, record.Owned);
            Assert.Equal("convert app", _store.Pins.Get(d.Root)!.Name);
        }

        Assert.All(before.Values, record => Assert.Equal(record, _store.Contents.Get(record.Digest)! with { Labels = record.Labels }));
    }

    /// <summary>containerd deletes all contents of one of the two images, and garbage is collected.</summary>
    [Theory]
    [InlineData(174, false)]
    [InlineData(174, true)]
    [InlineData(3, false)]
    [InlineData(3, true)]
    public async Task Deleting_one_of_the_two_images_leaves_the_other(int children, bool original)
    {
        TestImage image = TestImage.Simple(10, 700_000, 2_000_000);
        await image.StoreAsync(_store, ImportProfile.KuboV1 with { MaxChildren = children });
        var catalog = new ContentCatalog(_store);
        ConvertedImage converted = await ConvertAsync(new TestSource(image), ImportProfile.KuboV1);
        Record(converted, ImportProfile.KuboV1);
        foreach (ConvertedDescriptor d in converted.Descriptors)
        {
            Assert.NotNull(catalog.Claim(d.Converted, DateTimeOffset.UnixEpoch));
        }

        Digest[] originals = [.. image.Contents.Keys], copies = [.. converted.Descriptors.Select(d => d.Converted)];
        (Digest[] deleted, Digest[] left) = original ? (originals, copies) : (copies, originals);
        foreach (Digest digest in deleted.Except(left))
        {
            Assert.True(catalog.Release(digest, _ => true));
        }

        await CollectAsync();
        await CheckAsync();

        // The pins of the conversion keep its contents; without them only what containerd owns is left.
        foreach (PinRecord pin in _store.Pins.Enumerate().ToArray())
        {
            _store.Pins.Delete(pin.Root);
        }

        await CollectAsync();
        await CheckAsync();
        Assert.Equal(left.ToHashSet(), _store.Contents.Enumerate().Select(c => c.Digest).ToHashSet());
        IEnumerable<Cid> reachable = left.SelectMany(d => DagVerify.Reachable(_store.Blocks, _store.Contents.Get(d)!.Root, Stop));
        Assert.Equal(reachable.Select(c => c.Hash).ToHashSet(), _store.Blocks.Enumerate().Select(b => b.Hash).ToHashSet());

        async Task CheckAsync()
        {
            foreach (Digest digest in left)
            {
                ContentRecord record = _store.Contents.Get(digest)!;
                Assert.True(record.Owned && record.Complete);
                byte[] bytes = await ReadAsync(record.Root);
                Assert.Equal(digest.Hash, record.Kind == ContentKind.Dag ? record.Root.Hash : Multihash.Sha256(bytes));
                Assert.Equal(record.Size, bytes.Length);
            }
        }
    }

    /// <summary>A host that found the root by its digest alone records it by version 0.</summary>
    [Fact]
    public async Task The_pin_of_a_conversion_keeps_a_content_whose_record_has_another_version_of_the_root()
    {
        ConvertedImage converted = await ConvertAsync(new TestSource(TestImage.Simple(700_000)), ImportProfile.KuboV1);
        Record(converted, ImportProfile.KuboV1);
        ConvertedDescriptor layer = converted.Descriptors.Single(d => d.Size == 700_000);
        ContentRecord record = _store.Contents.Get(layer.Converted)! with { Root = Cid.V0(layer.Root.Hash), Owned = true };
        _store.Contents.Put(record);
        Assert.True(new ContentCatalog(_store).Release(layer.Converted, _ => true));
        await CollectAsync();
        Assert.False(_store.Contents.Get(layer.Converted)!.Owned);
        Assert.Equal(700_000, (await ReadAsync(layer.Root)).Length);
    }

    private sealed class NoIngests : IIngestRoots
    {
        public IReadOnlyCollection<Cid> LeasedRoots() => [];
    }
}
