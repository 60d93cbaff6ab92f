using Ipcs.Blockstore;
using Ipcs.Dag;
using Ipcs.Multiformats;

namespace Ipcs.ContentApi.Hosting;

/// <summary>The fleet of a node without a network: finds and fetches nothing.</summary>
public sealed class NoFleet(IBlockstore blocks) : IContentFleet
{
    /// <inheritdoc/>
    public Task<ContentRecord?> FetchAsync(Digest digest, Action<long> onProgress, CancellationToken cancellationToken) =>
        Task.FromResult<ContentRecord?>(null);

    /// <inheritdoc/>
    public void StartFetch(ContentRecord content)
    {
    }

    /// <inheritdoc/>
    public Task WaitAsync(Digest digest, CancellationToken cancellationToken) =>
        Task.FromException(new ContentUnavailableException($"{digest} is not complete here and this node has no fleet"));

    /// <inheritdoc/>
    public IBlockSource SourceFor(ContentRecord content) => new LocalBlockSource(blocks);

    /// <inheritdoc/>
    public IGrowingContent? BeginGrowing(Digest digest, long size) => null;

    /// <inheritdoc/>
    public void LookAhead(IReadOnlyList<Digest> digests)
    {
    }
}
