using System.Text;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Ipcs.Multiformats;
using OciDescriptor = Ipcs.Oci.Descriptor;

namespace Ipcs.Oci.Containerd;

/// <summary>
/// What containerd's configuration calls a stream processor: a program that makes a tar of a layer while containerd unpacks it. containerd's own way is
/// one core's work, gunzip and the files by turns with a small read of the content socket for each 32 KiB; tars it even reads by 512 bytes. Ours
/// runs beside it, and for images that ipcs unpacks it gets the layer from the daemon in one stream.
/// API: https://github.com/containerd/containerd/blob/main/docs/stream_processors.md.
/// </summary>
public static class LayerProcessor
{
    /// <summary>Its name in containerd's configuration, under which its payload is sent.</summary>
    public const string Name = "ipcs";

    /// <summary>What it makes: the only type that containerd unpacks.</summary>
    public const string Returns = MediaTypes.OciLayer;

    /// <summary>A layer that does not come on standard input, but from the daemon that the payload names.</summary>
    public const string FromDaemon = "application/vnd.ipcs.layer.v1.tar";

    /// <summary>What containerd says where its configuration has none for a media type.</summary>
    public const string Missing = "no processor for media-type";

    private const string PayloadType = "ipcs/layer";

    /// <summary>The layers that it takes, whatever they are compressed with.</summary>
    public static IReadOnlyList<string> Layers { get; } =
    [
        MediaTypes.OciLayer,
        MediaTypes.OciLayer + "+gzip",
        MediaTypes.OciLayer + "+zstd",
        MediaTypes.DockerLayer,
        MediaTypes.DockerLayer + ".gzip",
        MediaTypes.DockerLayer + ".zstd",
    ];

    /// <summary>The section of containerd's configuration.</summary>
    /// <param name="program">Where ipcs is.</param>
    /// <param name="apiSocket">The daemon's control socket.</param>
    public static string Configuration(string program, string apiSocket) => $"""
        # Layers are made tars of by ipcs, beside containerd: unpacking takes half the time. Without these lines containerd does it by itself.
        [stream_processors.{Name}]
          accepts = [{string.Join(", ", Layers.Append(FromDaemon).Select(t => $"\"{t}\""))}]
          returns = "{Returns}"
          path = "{program}"
          args = ["containerd", "layer", "{apiSocket}"]

        """;

    /// <summary>What containerd is asked to unpack for a layer that the processor gets from the daemon; null for media types that are not known here.</summary>
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

    /// <summary>The payload: which daemon, which content.</summary>
    public static Any Payload(string apiSocket, Digest digest) =>
        new() { TypeUrl = PayloadType, Value = ByteString.CopyFrom($"{digest}\n{apiSocket}", Encoding.UTF8) };

    /// <summary>Reads a payload.</summary>
    /// <exception cref="InvalidDataException">It is none of ours.</exception>
    public static (string ApiSocket, Digest Digest) ParsePayload(Stream payload)
    {
        try
        {
            Any any = Any.Parser.ParseFrom(payload);
            string[] lines = any.Value.ToStringUtf8().Split('\n', 2);
            return any.TypeUrl == PayloadType && lines.Length == 2 && Digest.TryParse(lines[0], out Digest digest)
                ? (lines[1], digest)
                : throw new InvalidDataException($"the payload is a '{any.TypeUrl}', not one of ipcs's");
        }
        catch (InvalidProtocolBufferException e)
        {
            throw new InvalidDataException($"the payload is broken: {e.Message}", e);
        }
    }
}
