using Ipcs.Blockstore;
using Ipcs.Dag;
using Ipcs.Multiformats;

namespace Ipcs.ContentApi.Hosting;

/// <summary>
/// What the content service needs of the fleet: Node implements it, so that this project does not see the network. A node without a
/// network uses <see cref="NoFleet"/>.
/// </summary>
public interface IContentFleet
{
    /// <summary>
    /// Fetches a content for a client that can get it from a registry too. Ends within seconds when no peer has it, and when the peers that
    /// claim to have it send less than a fair rate.
    /// </summary>
    /// <param name="digest">The content.</param>
    /// <param name="onProgress">Called with the number of verified bytes, on any thread.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>
    /// The content's record, when every block is stored and the whole was verified; null when the fleet cannot give it. Throws only when it
    /// is cancelled.
    /// </returns>
    Task<ContentRecord?> FetchAsync(Digest digest, Action<long> onProgress, CancellationToken cancellationToken);

    /// <summary>
    /// Starts to fetch a content whose record is in the index, owned and not complete. Blocks that are in the store are not fetched. The
    /// record becomes complete at the end. A second call while a fetch is under way does nothing.
    /// </summary>
    void StartFetch(ContentRecord content);

    /// <summary>Completes when the content is complete and verified in the store.</summary>
    /// <exception cref="ContentUnavailableException">No source is left; the message names the digest and the sources tried.</exception>
    Task WaitAsync(Digest digest, CancellationToken cancellationToken);

    /// <summary>
    /// The blocks of a content, from the store or else from the fleet, for a content of kind <see cref="ContentKind.Dag"/> that is read
    /// while it is fetched.
    /// </summary>
    IBlockSource SourceFor(ContentRecord content);

    /// <summary>Begins to share the chunks of a content with peers while a client writes it.</summary>
    /// <param name="digest">The digest that the content is to have.</param>
    /// <param name="size">Its length in bytes.</param>
    /// <returns>Where its chunks are to be added; the caller disposes it. Null when they are not shared.</returns>
    IGrowingContent? BeginGrowing(Digest digest, long size);

    /// <summary>Starts to fetch contents that containerd will ask for soon.</summary>
    void LookAhead(IReadOnlyList<Digest> digests);
}
