using Ipcs.Dag.Import;
using Ipcs.Oci.Compare;
using Ipcs.Oci.Conversion;
using Ipcs.TestKit;

namespace Ipcs.Oci.Tests;

public sealed class ComparisonTests
{
    private static readonly CancellationToken Stop = TestContext.Current.CancellationToken;

    private static TestImage Image(string name, params (string Seed, int Length)[] layers)
    {
        var image = new TestImage();
        image.Target = image.Manifest([.. layers.Select(l => image.Put(TestImage.Gzip, Xs128.Bytes(l.Seed, l.Length)))], seed: name);
        return image;
    }

    private static Task<Comparison> CompareAsync(ImportProfile profile, params TestSource[] sources) =>
        Comparison.MakeAsync(sources, profile, false, Converter.DefaultMaxLayerLength, null, Stop);

    [Fact]
    public async Task Blocks_are_grouped_by_the_exact_set_of_images()
    {
        // 1 MiB is 4 leaves and a root. Each image has a last layer of its own, and a block for the config and the manifest.
        TestImage a = Image("a", ("all", 1 << 20), ("ab", 1000), ("a", 2000));
        TestImage b = Image("b", ("all", 1 << 20), ("ab", 1000));
        TestImage c = Image("c", ("all", 1 << 20), ("c", 1 << 18));
        Comparison comparison = await CompareAsync(ImportProfile.KuboV0, new TestSource(a), new TestSource(b), new TestSource(c));
        Assert.Equal(["0:3", "1:2", "2:3", "0,1:1", "0,1,2:5"], comparison.Buckets.Select(x => $"{string.Join(',', x.Images)}:{x.Blocks}"));
        SharedBlocks all = comparison.Buckets[^1];
        Assert.InRange(all.Bytes, 1 << 20, (1 << 20) + 400);
        Assert.InRange(comparison.Buckets[3].Bytes, 1000, 1020);
    }

    [Fact]
    public async Task A_layer_of_several_images_is_read_once()
    {
        TestImage a = Image("a", ("all", 500_000), ("a", 1)), b = Image("b", ("all", 500_000), ("b", 1));
        TestSource first = new(a), second = new(b);
        await CompareAsync(ImportProfile.KuboV0, first, second);
        Assert.Equal(4, first.Opened);
        Assert.Equal(3, second.Opened);
    }

    [Fact]
    public async Task The_same_image_twice_shares_all()
    {
        TestImage image = TestImage.Simple(600_000);
        SharedBlocks only = Assert.Single((await CompareAsync(ImportProfile.KuboV0, new TestSource(image), new TestSource(image))).Buckets);
        Assert.Equal([0, 1], only.Images);
    }

    [Fact]
    public async Task Smaller_blocks_share_more()
    {
        // Two layers with the same first 200,000 bytes.
        byte[] one = Xs128.Bytes("x", 300_000), two = [.. one];
        two[250_000] ^= 1;
        TestImage a = new(), b = new();
        a.Target = a.Manifest([a.Put(TestImage.Gzip, one)], seed: "a");
        b.Target = b.Manifest([b.Put(TestImage.Gzip, two)], seed: "b");
        long coarse = Shared(await CompareAsync(ImportProfile.KuboV0, new TestSource(a), new TestSource(b)));
        ImportProfile small = ConvertProfiles.WithChunker(ImportProfile.KuboV1, "size-4096");
        long fine = Shared(await CompareAsync(small, new TestSource(a), new TestSource(b)));
        Assert.InRange(coarse, 0, 262144);
        Assert.InRange(fine, 250_000, 300_000);

        static long Shared(Comparison c) => c.Buckets.Where(x => x.Images.Count == 2).Sum(x => x.Bytes);
    }

    [Fact]
    public async Task The_number_of_images_is_bounded() => await Assert.ThrowsAsync<ImageSourceException>(() => CompareAsync(
        ImportProfile.KuboV0, [.. Enumerable.Range(0, 65).Select(_ => new TestSource(TestImage.Simple(1)))]));

    [Fact]
    public async Task A_broken_image_is_an_error()
    {
        TestImage broken = TestImage.Simple(500);
        broken.Contents[broken.Contents.Keys.First()] = new byte[500];
        await Assert.ThrowsAsync<ImageSourceException>(() =>
            CompareAsync(ImportProfile.KuboV0, new TestSource(TestImage.Simple(1)), new TestSource(broken)));
    }
}
