using Ipcs.Dag.Import;
using Ipcs.Fleet.Resolve;
using Ipcs.Multiformats;

namespace Ipcs.Fleet.Growing;

/// <summary>
/// The contents that this node is getting from its start to its end, from a client that writes them or from a peer that is getting them
/// too: their chunks are served before the root is known. Thread-safe.
/// </summary>
/// <param name="profile">The profile of their DAGs.</param>
/// <param name="time">The clock.</param>
public sealed class GrowingContents(ImportProfile profile, TimeProvider time)
{
    /// <summary>
    /// The maximum number of contents, each of which takes up to 1 MiB. Over that, further ones are not shared before they are whole.
    /// </summary>
    public const int MaxContents = 64;

    /// <summary>
    /// The shortest content that is shared while it grows, in bytes: a shorter one is whole before peers have asked for it.
    /// </summary>
    public const long MinSize = 1 << 20;

    /// <summary>The longest, in bytes: the chunks of a longer one are not all named.</summary>
    public const long MaxSize = (long)GrowingContent.MaxChunks << 18;

    /// <summary>
    /// How long a content that is whole is kept here: peers that follow it learn of its last chunks by a question, and ask several times
    /// within a second.
    /// </summary>
    private static readonly TimeSpan KeepTime = TimeSpan.FromSeconds(10);

    private readonly Lock _lock = new();

    // In the order of their beginning.
    private readonly OrderedDictionary<Digest, GrowingContent> _contents = [];

    /// <summary>Begins to share a content while it grows.</summary>
    /// <param name="digest">The digest that it is to have.</param>
    /// <param name="size">Its length in bytes.</param>
    /// <returns>
    /// The content, which the caller disposes; null when the same content is growing already, when there are too many, when it is too short
    /// or too long, and when its leaves are no raw blocks.
    /// </returns>
    public GrowingContent? Begin(Digest digest, long size)
    {
        if (!CanGrow(profile.Name, size))
        {
            return null;
        }

        lock (_lock)
        {
            if (_contents.TryGetValue(digest, out GrowingContent? there))
            {
                if (there.WholeAt is null)
                {
                    return null;
                }

                _contents.Remove(digest);
            }

            if (_contents.Count == MaxContents && !RemoveWhole())
            {
                return null;
            }

            var content = new GrowingContent(digest, size, profile.Name, time, Remove);
            _contents.Add(digest, content);
            return content;
        }
    }

    /// <summary>
    /// True for a content that can be shared while it grows, and fetched from a peer that shares it: the same chunks then have the same
    /// root.
    /// </summary>
    /// <param name="profileName">The name of the profile of its DAG.</param>
    /// <param name="size">Its length in bytes.</param>
    public bool CanGrow(string profileName, long size) =>
        profileName == profile.Name && LeafAssembly.CanAssemble(profile) && size is >= MinSize and <= MaxSize;

    /// <summary>The next chunks of a content; null when it is not growing.</summary>
    /// <param name="digest">Its digest.</param>
    /// <param name="from">The number of chunks that are known already.</param>
    /// <param name="most">The maximum number of chunks to return.</param>
    public GrowingPart? Part(in Digest digest, int from, int most)
    {
        GrowingContent? content;
        lock (_lock)
        {
            content = _contents.GetValueOrDefault(digest);
        }

        return content is null || (content.WholeAt is { } at && time.GetElapsedTime(at) > KeepTime) ? null : content.Part(from, most);
    }

    private bool RemoveWhole()
    {
        foreach ((Digest digest, GrowingContent content) in _contents)
        {
            if (content.WholeAt is not null)
            {
                _contents.Remove(digest);
                return true;
            }
        }

        return false;
    }

    private void Remove(GrowingContent content)
    {
        lock (_lock)
        {
            if (_contents.GetValueOrDefault(content.Digest) == content)
            {
                _contents.Remove(content.Digest);
            }
        }
    }
}
