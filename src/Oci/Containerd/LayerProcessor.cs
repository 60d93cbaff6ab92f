using System.Text;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Ipcs.Multiformats;
using OciDescriptor = Ipcs.Oci.Descriptor;

namespace Ipcs.Oci.Containerd;

/// <summary>
/// A stream processor of containerd: a program that turns a layer into a tar while containerd unpacks it. Without it containerd
/// decompresses and writes files by turns on one core and reads the layer in pieces of 32 KiB, an uncompressed one even of 512 bytes.
/// With it decompression has a core of its own, and for images that ipcs unpacks the layer comes from the daemon in one stream.
/// API: https://github.com/containerd/containerd/blob/main/docs/stream_processors.md.
/// </summary>
public static class LayerProcessor
{
    /// <summary>Its ID in containerd's configuration and the key of its payload.</summary>
    public const string Name = "ipcs";

    /// <summary>The media type that it returns: the only one that containerd unpacks.</summary>
    public const string Returns = MediaTypes.OciLayer;

    /// <summary>The media type of a layer that is read from the daemon named in the payload, not from standard input.</summary>
    public const string FromDaemon = "application/vnd.ipcs.layer.v1.tar";

    /// <summary>A part of the error of a containerd that has no processor for a media type.</summary>
    public const string Missing = "no processor for media-type";

    private const string PayloadType = "ipcs/layer";

    /// <summary>The media types of layers that it accepts.</summary>
    public static IReadOnlyList<string> Layers { get; } =
    [
        MediaTypes.OciLayer,
        MediaTypes.OciLayer + "+gzip",
        MediaTypes.OciLayer + "+zstd",
        MediaTypes.DockerLayer,
        MediaTypes.DockerLayer + ".gzip",
        MediaTypes.DockerLayer + ".zstd",
    ];

    /// <summary>The section for containerd's configuration.</summary>
    /// <param name="program">The path of the ipcs program.</param>
    /// <param name="apiSocket">The path of the control socket of the daemon.</param>
    public static string Configuration(string program, string apiSocket) => $"""
        # ipcs decompresses layers in a process of its own, which halves the time to unpack. Without these lines containerd does it itself.
        [stream_processors.{Name}]
          accepts = [{string.Join(", ", Layers.Append(FromDaemon).Select(t => $"\"{t}\""))}]
          returns = "{Returns}"
          path = "{program}"
          args = ["containerd", "layer", "{apiSocket}"]

        """;

    /// <summary>
    /// The descriptor by which containerd unpacks a layer that the processor reads from the daemon; null for a layer of another media type.
    /// </summary>
    internal static Types.TypedDescriptor? Descriptor(OciDescriptor layer)
    {
        if (!Layers.Contains(layer.MediaType, StringComparer.Ordinal))
        {
            return null;
        }

        Types.TypedDescriptor descriptor = ContainerdImages.ToDescriptor(layer);
        descriptor.MediaType = FromDaemon;
        return descriptor;
    }

    /// <summary>The payload of the processor: the daemon and the content.</summary>
    public static Any Payload(string apiSocket, Digest digest) =>
        new() { TypeUrl = PayloadType, Value = ByteString.CopyFrom($"{digest}\n{apiSocket}", Encoding.UTF8) };

    /// <summary>Reads a payload.</summary>
    /// <exception cref="InvalidDataException">The payload is not one of ipcs, or is invalid.</exception>
    public static (string ApiSocket, Digest Digest) ParsePayload(Stream payload)
    {
        try
        {
            Any any = Any.Parser.ParseFrom(payload);
            string[] lines = any.Value.ToStringUtf8().Split('\n', 2);
            return any.TypeUrl == PayloadType && lines.Length == 2 && Digest.TryParse(lines[0], out Digest digest)
                ? (lines[1], digest)
                : throw new InvalidDataException($"the payload of type '{any.TypeUrl}' is not a valid one of ipcs");
        }
        catch (InvalidProtocolBufferException e)
        {
            throw new InvalidDataException($"the payload is invalid: {e.Message}", e);
        }
    }
}
