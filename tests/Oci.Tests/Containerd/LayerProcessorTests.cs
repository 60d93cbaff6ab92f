using CsCheck;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Ipcs.Multiformats;
using Ipcs.Oci.Containerd;
using Ipcs.Oci;
using Descriptor = Ipcs.Oci.Descriptor;

namespace Ipcs.Oci.Tests.Containerd;

public sealed class LayerProcessorTests
{
    private static readonly Digest Some = Digest.Parse("sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");

    [Fact]
    public void A_payload_says_which_daemon_and_which_content()
    {
        byte[] payload = LayerProcessor.Payload("/run/ipcs/api.sock", Some).ToByteArray();
        Assert.Equal(("/run/ipcs/api.sock", Some), LayerProcessor.ParsePayload(new MemoryStream(payload)));
    }

    public static TheoryData<string, byte[]> Bad => new()
    {
        { "none", [] },
        { "of another", new Any { TypeUrl = "x/y", Value = LayerProcessor.Payload("/s", Some).Value }.ToByteArray() },
        { "no digest", new Any { TypeUrl = "ipcs/layer", Value = ByteString.CopyFromUtf8("sha256:00\n/s") }.ToByteArray() },
        { "no socket", new Any { TypeUrl = "ipcs/layer", Value = ByteString.CopyFromUtf8(Some.ToString()) }.ToByteArray() },
        { "cut off", LayerProcessor.Payload("/s", Some).ToByteArray()[..20] },
        { "no protobuf", [0xff, 0xff, 0xff] },
    };

    [Theory]
    [MemberData(nameof(Bad))]
    public void A_bad_payload_is_told(string what, byte[] payload)
    {
        Exception? thrown = Record.Exception(() => LayerProcessor.ParsePayload(new MemoryStream(payload)));
        Assert.True(thrown is InvalidDataException, $"{what}: {thrown}");
    }

    [Fact]
    public void Any_bytes_are_a_payload_or_told() => Gen.Byte.Array[0, 200].Sample(bytes =>
    {
        try
        {
            _ = LayerProcessor.ParsePayload(new MemoryStream(bytes));
        }
        catch (InvalidDataException)
        {
            // The expected exception.
        }
    });

    [Theory]
    [InlineData("application/vnd.oci.image.layer.v1.tar", true)]
    [InlineData("application/vnd.oci.image.layer.v1.tar+gzip", true)]
    [InlineData("application/vnd.docker.image.rootfs.diff.tar.gzip", true)]
    [InlineData("application/vnd.oci.image.layer.v1.tar+gzip+encrypted", false)]
    [InlineData("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", false)]
    public void Layers_that_are_known_are_asked_for_from_the_daemon(string mediaType, bool known)
    {
        var descriptor = LayerProcessor.Descriptor(new Descriptor(mediaType, Some, 5));
        Assert.Equal(known, descriptor is not null);
        Assert.True(
            descriptor is null
            || (descriptor.MediaType == LayerProcessor.FromDaemon && descriptor.Digest == Some.ToString() && descriptor.Size == 5),
            $"{descriptor}");
    }

    [Fact]
    public void The_configuration_takes_what_is_asked_for_and_makes_what_containerd_unpacks()
    {
        string text = LayerProcessor.Configuration("/usr/local/bin/ipcs", "/run/api.sock");
        Assert.Contains($"[stream_processors.{LayerProcessor.Name}]", text, StringComparison.Ordinal);
        Assert.Contains($"\"{LayerProcessor.FromDaemon}\"", text, StringComparison.Ordinal);
        Assert.Contains($"returns = \"{MediaTypes.OciLayer}\"", text, StringComparison.Ordinal);
        Assert.Contains("path = \"/usr/local/bin/ipcs\"", text, StringComparison.Ordinal);
        Assert.Contains("\"/run/api.sock\"]", text, StringComparison.Ordinal);
    }
}
