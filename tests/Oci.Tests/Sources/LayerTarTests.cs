using System.IO.Compression;
using CsCheck;
using Ipcs.Oci.Sources;

namespace Ipcs.Oci.Tests.Sources;

public sealed class LayerTarTests
{
    private static readonly byte[] Tar = [.. Enumerable.Range(0, 300_000).Select(i => (byte)(i * i / 7))];

    public static TheoryData<string, byte[]> Layers => new()
    {
        { "tar", Tar },
        { "gzip", Gzip(Tar) },
        { "gzip in two members", [.. Gzip(Tar[..100_000]), .. Gzip(Tar[100_000..])] },
        { "zstd", Zstd(Tar) },
        { "zstd in two frames", [.. Zstd(Tar[..1000]), .. Zstd(Tar[1000..])] },
        { "zstd behind a frame that is skipped", [0x5a, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3, .. Zstd(Tar)] },
    };

    [Theory]
    [MemberData(nameof(Layers))]
    public void A_layer_is_the_tar_that_it_is(string kind, byte[] layer) => Assert.True(Tar.AsSpan().SequenceEqual(Read(layer)), kind);

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(3)]
    public void What_is_shorter_than_any_magic_number_comes_as_it_is(int length) => Assert.Equal(Tar[..length], Read(Tar[..length]));

    [Fact]
    public void What_begins_otherwise_comes_as_it_is() =>
        Gen.Byte.Array[0, 5000].Where(b => b.Length == 0 || b[0] is not (0x1f or 0x28 or (>= 0x50 and <= 0x5f)))
            .Sample(b => Read(b).AsSpan().SequenceEqual(b));

    [Fact]
    public void A_damaged_layer_is_told_or_is_another_tar()
    {
        byte[] gzip = Gzip(Tar), zstd = Zstd(Tar);
        Gen.Select(Gen.Bool, Gen.Double[0, 1], Gen.Byte[1, 255]).Sample(
            (isGzip, place, change) =>
            {
                byte[] layer = [.. isGzip ? gzip : zstd];
                layer[4 + (int)(place * (layer.Length - 5))] ^= change;
                try
                {
                    _ = Read(layer);
                }
                catch (Exception e) when (LayerTar.IsInvalidData(e))
                {
                    // The expected exception.
                }
            },
            iter: 300);
    }

    [Fact]
    public void Zstd_that_is_cut_off_is_broken()
    {
        byte[] layer = Zstd(Tar);
        Exception? thrown = Record.Exception(() => Read(layer[..(layer.Length / 2)]));
        Assert.True(thrown is not null && LayerTar.IsInvalidData(thrown), thrown?.ToString() ?? "nothing was thrown");
    }

    [Fact]
    public void Gzip_that_is_cut_off_is_a_part_of_the_tar()
    {
        byte[] layer = Gzip(Tar);
        byte[] part = Read(layer[..(layer.Length / 2)]);
        Assert.True(part.Length < Tar.Length && Tar.AsSpan().StartsWith(part));
    }

    private static byte[] Read(byte[] layer)
    {
        using Stream tar = LayerTar.Open(new MemoryStream(layer));
        using var all = new MemoryStream();
        tar.CopyTo(all);
        return all.ToArray();
    }

    private static byte[] Gzip(byte[] bytes)
    {
        using var output = new MemoryStream();
        using (var gzip = new GZipStream(output, CompressionLevel.Fastest))
        {
            gzip.Write(bytes);
        }

        return output.ToArray();
    }

    private static byte[] Zstd(byte[] bytes)
    {
        using var compressor = new ZstdSharp.Compressor();
        return compressor.Wrap(bytes).ToArray();
    }
}
