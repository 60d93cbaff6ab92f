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
    /// Finds a content that has no complete record in the index. The record returned is complete when the content's DAG is in the store,
    /// and incomplete when a connected peer has it; null when neither is so, or when no peer has answered within the budget of an Info.
    /// Calls for one digest share one query, and a negative answer is cached for a moment. Throws only when it is cancelled.
    /// </summary>
    ValueTask<ContentRecord?> FindAsync(Digest digest, CancellationToken cancellationToken);

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

    /// <summary>Asks the fleet now for contents that containerd will ask for soon.</summary>
    void LookAhead(IReadOnlyList<Digest> digests);
}
