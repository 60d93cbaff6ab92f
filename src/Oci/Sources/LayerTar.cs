using System.IO.Compression;
using Ipcs.Blockstore.Compression;

namespace Ipcs.Oci.Sources;

/// <summary>A layer as the tar that it is, told by what it begins with: Docker's media types don't always say how a layer is compressed.</summary>
public static class LayerTar
{
    /// <summary>gzip with deflate: https://www.rfc-editor.org/rfc/rfc1952#section-2.3.1.</summary>
    private static ReadOnlySpan<byte> Gzip => [0x1f, 0x8b, 0x08];

    /// <summary>A zstd frame: https://www.rfc-editor.org/rfc/rfc8878#section-3.1.1.</summary>
    private static ReadOnlySpan<byte> Zstd => [0x28, 0xb5, 0x2f, 0xfd];

    /// <summary>The last three bytes of the magic number of a frame that is skipped (section 3.1.2 there); the first is 0x50 to 0x5f.</summary>
    private static ReadOnlySpan<byte> SkippedZstd => [0x2a, 0x4d, 0x18];

    /// <summary>
    /// Opens a layer: gzip, zstd, or a tar already. Reads its first bytes; owns it; is read synchronously. The runtime does not tell gzip that is cut
    /// off from gzip that has ended: whoever reads it compares the tar with its diff id, as containerd does.
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

    /// <summary>True for the exceptions by which broken compressed data is told.</summary>
    public static bool IsBroken(Exception e) => e is InvalidDataException or EndOfStreamException;

    private static bool IsZstd(ReadOnlySpan<byte> head) =>
        head.SequenceEqual(Zstd) || (head.Length == Zstd.Length && (head[0] & 0xf0) == 0x50 && head[1..].SequenceEqual(SkippedZstd));
}
