using Ipcs.Multiformats;

namespace Ipcs.Oci.Containerd;

/// <summary>What containerd records in all its namespaces.</summary>
public sealed record Recorded
{
    /// <summary>The number of namespaces.</summary>
    public required int Spaces { get; init; }

    /// <summary>The contents, one for each namespace that has it.</summary>
    public required IReadOnlyList<RecordedContent> Contents { get; init; }

    /// <summary>The images.</summary>
    public required IReadOnlyList<RecordedImage> Images { get; init; }

    /// <summary>
    /// The names of the images of each namespace that reach a content, by the references of containerd's garbage collector.
    /// </summary>
    public IReadOnlyDictionary<(string Space, Digest Digest), List<string>> ImagesByContent()
    {
        var records = Contents.ToDictionary(content => (content.Space, content.Digest));
        var images = new Dictionary<(string, Digest), List<string>>();
        foreach (RecordedImage image in Images)
        {
            var seen = new HashSet<Digest>();
            var pending = new Stack<Digest>([image.Target]);
            while (pending.TryPop(out Digest digest))
            {
                if (!seen.Add(digest) || !records.TryGetValue((image.Space, digest), out RecordedContent? content))
                {
                    continue;
                }

                if (!images.TryGetValue((image.Space, digest), out List<string>? names))
                {
                    images.Add((image.Space, digest), names = []);
                }

                names.Add(image.Name);
                foreach (Digest child in content.Contents)
                {
                    pending.Push(child);
                }
            }
        }

        return images;
    }
}
