using System.IO.Compression;
using Ipcs.Blockstore.Compression;

namespace Ipcs.Oci.Sources;

/// <summary>
/// Decompresses layers. The first bytes of a layer decide how, since Docker's media types do not always name the compression.
/// </summary>
public static class LayerTar
{
    /// <summary>gzip with deflate: https://www.rfc-editor.org/rfc/rfc1952#section-2.3.1.</summary>
    private static ReadOnlySpan<byte> Gzip => [0x1f, 0x8b, 0x08];

    /// <summary>A zstd frame: https://www.rfc-editor.org/rfc/rfc8878#section-3.1.1.</summary>
    private static ReadOnlySpan<byte> Zstd => [0x28, 0xb5, 0x2f, 0xfd];

    /// <summary>
    /// The last three bytes of the magic number of a skippable frame (section 3.1.2 of RFC 8878); the first is 0x50 to 0x5f.
    /// </summary>
    private static ReadOnlySpan<byte> SkippableZstd => [0x2a, 0x4d, 0x18];

    /// <summary>
    /// Opens a layer (gzip, zstd or an uncompressed tar) as a tar. Reads the first bytes of the layer and owns it. Reads of the tar are
    /// synchronous. GZipStream ends without an error when its input is cut off: the reader has to compare the tar with its diff ID, as
    /// containerd does.
    /// </summary>
    public static Stream Open(Stream layer)
    {
        byte[] head = new byte[Zstd.Length];
        head = head[..layer.ReadAtLeast(head, head.Length, throwOnEndOfStream: false)];
        var whole = new BegunStream(head, layer);
        return head.AsSpan().StartsWith(Gzip) ? new GZipStream(whole, CompressionMode.Decompress)
            : IsZstd(head) ? new ZstdStream(whole)
            : whole;
    }

    /// <summary>True for the exceptions that decompression throws for invalid data.</summary>
    public static bool IsInvalidData(Exception e) => e is InvalidDataException or EndOfStreamException;

    private static bool IsZstd(ReadOnlySpan<byte> head) =>
        head.SequenceEqual(Zstd) || (head.Length == Zstd.Length && (head[0] & 0xf0) == 0x50 && head[1..].SequenceEqual(SkippableZstd));
}
