using Ipcs.Multiformats;
using Ipcs.Oci.Containerd;

namespace Ipcs.Oci.Tests.Containerd;

public sealed class RecordedContentTests
{
    private static readonly Digest Index = Digest.Sha256([1]), Manifest = Digest.Sha256([2]), Config = Digest.Sha256([3]),
        Other = Digest.Sha256([4]);

    [Fact]
    public void References_are_those_of_the_garbage_collectors_labels()
    {
        RecordedContent content = Content(
            Manifest,
            ("containerd.io/gc.ref.content", Index.ToString()),
            ("containerd.io/gc.ref.content.config", Config.ToString()),
            ("containerd.io/gc.ref.content/more", Other.ToString()),
            ("containerd.io/gc.ref.contents", Index.ToString()),
            ("containerd.io/gc.ref.content.l.0", "not a digest"),
            ("containerd.io/gc.ref.snapshot.overlayfs", "sha256:chain"),
            ("containerd.io/gc.ref.snapshot.native/second", "sha256:other"),
            ("containerd.io/distribution.source.docker.io", "library/busybox"));
        Assert.Equal([Index, Config, Other], content.Contents);
        Assert.Equal([("overlayfs", "sha256:chain"), ("native", "sha256:other")], content.Snapshots);
    }

    [Fact]
    public void An_image_reaches_what_its_target_refers_to_in_its_namespace()
    {
        var recorded = new Recorded
        {
            Spaces = 1,
            Contents =
            [
                Content(Index, ("containerd.io/gc.ref.content.m.0", Manifest.ToString())),
                Content(
                    Manifest,
                    ("containerd.io/gc.ref.content.config", Config.ToString()),
                    ("containerd.io/gc.ref.content.self", Manifest.ToString())),
                Content(Config),
                Content(Other),
                Content(Config) with { Space = "k8s.io" },
            ],
            Images =
            [
                new RecordedImage("default", "a", Index), new RecordedImage("default", "b", Manifest),
                new RecordedImage("default", "c", Digest.Sha256([9])),
            ],
        };
        IReadOnlyDictionary<(string, Digest), List<string>> images = recorded.ImagesByContent();
        Assert.Equal(["a"], images[("default", Index)]);
        Assert.Equal(["a", "b"], images[("default", Config)]);
        Assert.Equal(3, images.Count);
    }

    private static RecordedContent Content(Digest digest, params (string Key, string Value)[] labels) =>
        RecordedContent.FromLabels("default", digest, 1, labels.Select(label => KeyValuePair.Create(label.Key, label.Value)));
}
