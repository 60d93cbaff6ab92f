using System.IO.Compression;
using Ipcs.Blockstore.Compression;
using Ipcs.Oci.Sources;

namespace Ipcs.Oci.Conversion;

/// <summary>Decompresses layers for chunkers that cut a tar at its files.</summary>
internal static class LayerUnpacking
{
    /// <summary>
    /// The highest compression ratio: slightly more than gzip can have (https://www.zlib.net/zlib_tech.html). zstd can have a million,
    /// but only in data that is made to fill disks.
    /// </summary>
    private const long MaxRatio = 1100;

    private static readonly string[] Gzip = ["+gzip", ".gzip"];
    private static readonly string[] Zstd = ["+zstd", ".zstd"];

    /// <summary>The media type of a compressed layer after decompression; null for all other media types.</summary>
    public static string? UnpackedType(string mediaType)
    {
        bool layer = mediaType.StartsWith(MediaTypes.OciLayer, StringComparison.Ordinal)
            || mediaType.StartsWith(MediaTypes.DockerLayer, StringComparison.Ordinal);
        return layer && Gzip.Concat(Zstd).FirstOrDefault(s => mediaType.EndsWith(s, StringComparison.Ordinal)) is { } suffix
            ? mediaType[..^suffix.Length]
            : null;
    }

    /// <summary>
    /// Opens a compressed layer as a tar. Owns the compressed stream, which then has to be read to its end by <see cref="EndAsync"/>.
    /// </summary>
    /// <param name="compressed">The layer.</param>
    /// <param name="layer">Its descriptor.</param>
    /// <param name="maxLength">How many bytes it may unpack to.</param>
    public static Stream Open(Stream compressed, Descriptor layer, long maxLength)
    {
        Stream tar = Zstd.Any(s => layer.MediaType.EndsWith(s, StringComparison.Ordinal))
            ? new ZstdStream(compressed)
            : new GZipStream(compressed, CompressionMode.Decompress);
        long max = Math.Min(maxLength, Math.Clamp(layer.Size, 1 << 20, long.MaxValue / MaxRatio) * MaxRatio);
        return new LayerStream(new CountingStream(tar, max), layer);
    }

    /// <summary>Reads the bytes after the compressed data: the digest is verified only at the end of the stream.</summary>
    public static async Task EndAsync(Stream compressed, CancellationToken cancellationToken)
    {
        byte[] rest = new byte[1 << 14];
        while (await compressed.ReadAsync(rest, cancellationToken) > 0)
        {
        }
    }

    /// <summary>Adds the digest of the layer to the errors of decompression.</summary>
    private sealed class LayerStream(Stream inner, Descriptor layer) : ForwardStream
    {
        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            try
            {
                return await inner.ReadAsync(buffer, cancellationToken);
            }
            catch (Exception e) when (LayerTar.IsInvalidData(e))
            {
                throw new ImageSourceException($"{layer.Digest} cannot be decompressed: {e.Message}", e);
            }
        }

        protected override void Dispose(bool disposing)
        {
            if (disposing)
            {
                inner.Dispose();
            }

            base.Dispose(disposing);
        }
    }
}
