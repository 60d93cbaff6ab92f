using Ipcs.Blockstore;
using Ipcs.Dag;
using Ipcs.Multiformats;

namespace Ipcs.ContentApi.Hosting;

/// <summary>What the content service needs of the fleet. Declared here, wired by Node; a node alone has <see cref="NoFleet"/>.</summary>
public interface IContentFleet
{
    /// <summary>
    /// Asks the fleet for a content that is not here. Null when no connected peer has the whole of it, or the budget is used up.
    /// Coalesced per digest, with a short negative cache; never throws but for cancellation.
    /// </summary>
    ValueTask<ContentRecord?> FindAsync(Digest digest, CancellationToken cancellationToken);

    /// <summary>Starts to fetch a content (its record is in the index, owned, not complete). Starting twice is starting once.</summary>
    void StartFetch(ContentRecord content);

    /// <summary>Completes when the content is whole and checked here.</summary>
    /// <exception cref="ContentUnavailableException">Every source is lost; the message names the digest and what was tried.</exception>
    Task WaitAsync(Digest digest, CancellationToken cancellationToken);

    /// <summary>Blocks of a content, from here first and from the fleet else; for <see cref="ContentKind.Dag"/> contents read while they come.</summary>
    IBlockSource SourceFor(ContentRecord content);

    /// <summary>Asks the fleet now for what containerd will ask soon.</summary>
    void LookAhead(IReadOnlyList<Digest> digests);
}
