using Ipcs.Multiformats;

namespace Ipcs.Oci.Containerd;

/// <summary>A content that containerd records in a namespace.</summary>
/// <param name="Space">The namespace.</param>
/// <param name="Digest">The digest.</param>
/// <param name="Size">The length in bytes, as containerd records it.</param>
/// <param name="Contents">The contents that its garbage collector keeps because of this one.</param>
/// <param name="Snapshots">The snapshots that its garbage collector keeps because of this content.</param>
public sealed record RecordedContent(
    string Space, Digest Digest, long Size, IReadOnlyList<Digest> Contents, IReadOnlyList<(string Snapshotter, string Key)> Snapshots)
{
    private const string ContentLabel = "containerd.io/gc.ref.content", SnapshotLabel = "containerd.io/gc.ref.snapshot.";

    /// <summary>
    /// Reads the references from a record's labels: https://github.com/containerd/containerd/blob/main/docs/garbage-collection.md, section
    /// Garbage Collection labels.
    /// </summary>
    public static RecordedContent FromLabels(string space, Digest digest, long size, IEnumerable<KeyValuePair<string, string>> labels)
    {
        List<Digest> contents = [];
        List<(string, string)> snapshots = [];
        foreach ((string label, string value) in labels)
        {
            if (label.StartsWith(ContentLabel, StringComparison.Ordinal))
            {
                if (label.Length == ContentLabel.Length || label[ContentLabel.Length] is '.' or '/')
                {
                    contents.AddRange(Digest.TryParse(value, out Digest child) ? [child] : []);
                }
            }
            else if (label.StartsWith(SnapshotLabel, StringComparison.Ordinal))
            {
                // A snapshotter may be followed by a slash and a name that tells several of its snapshots apart.
                snapshots.Add((label[SnapshotLabel.Length..].Split('/')[0], value));
            }
        }

        return new RecordedContent(space, digest, size, contents, snapshots);
    }
}
