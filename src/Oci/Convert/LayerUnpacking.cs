using System.IO.Compression;
using Ipcs.Blockstore.Compression;
using Ipcs.Oci.Sources;

namespace Ipcs.Oci;

/// <summary>Layers without their compression: for chunkers that look at the files of a tar.</summary>
internal static class LayerUnpacking
{
    /// <summary>No layer is larger unpacked, in bytes.</summary>
    private const long MaxUnpacked = 1L << 40;

    /// <summary>
    /// The most that gzip makes of a byte, and a little (https://www.zlib.net/zlib_tech.html): zstd can make a million, and what does is made to
    /// fill disks.
    /// </summary>
    private const long MaxRatio = 1100;

    private static readonly string[] Gzip = ["+gzip", ".gzip"];
    private static readonly string[] Zstd = ["+zstd", ".zstd"];

    /// <summary>The media type of the layer when it is unpacked; null for what is no compressed layer.</summary>
    public static string? UnpackedType(string mediaType)
    {
        bool layer = mediaType.StartsWith(MediaTypes.OciLayer, StringComparison.Ordinal)
            || mediaType.StartsWith(MediaTypes.DockerLayer, StringComparison.Ordinal);
        return layer && Gzip.Concat(Zstd).FirstOrDefault(s => mediaType.EndsWith(s, StringComparison.Ordinal)) is { } suffix ? mediaType[..^suffix.Length] : null;
    }

    /// <summary>Reads a compressed layer as the tar that it is. The stream below is owned, and has to be read to its end by <see cref="EndAsync"/>.</summary>
    public static Stream Open(Stream packed, Descriptor layer)
    {
        Stream tar = Zstd.Any(s => layer.MediaType.EndsWith(s, StringComparison.Ordinal))
            ? new ZstdStream(packed)
            : new GZipStream(packed, CompressionMode.Decompress);
        return new Unpacked(new CountingStream(tar, Math.Min(MaxUnpacked, Math.Clamp(layer.Size, 1 << 20, MaxUnpacked) * MaxRatio)), layer);
    }

    /// <summary>Reads what is behind the compressed data: only at the end does the digest hold.</summary>
    public static async Task EndAsync(Stream packed, CancellationToken cancellationToken)
    {
        byte[] rest = new byte[1 << 14];
        while (await packed.ReadAsync(rest, cancellationToken) > 0)
        {
        }
    }

    /// <summary>Says of broken data whose it is.</summary>
    private sealed class Unpacked(Stream inner, Descriptor layer) : ForwardStream
    {
        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            try
            {
                return await inner.ReadAsync(buffer, cancellationToken);
            }
            catch (Exception e) when (LayerTar.IsBroken(e))
            {
                throw new ImageSourceException($"{layer.Digest} can't be unpacked: {e.Message}", e);
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
