using Ipcs.Blockstore;
using Ipcs.ContentApi.Hosting;
using Ipcs.Dag;
using Ipcs.Fleet;
using Ipcs.Fleet.Growing;
using Ipcs.Multiformats;

namespace Ipcs.Node.Daemon;

/// <summary>Connects the content service to the fleet's fetcher.</summary>
internal sealed class ContentFleet(ContentFetcher fetcher) : IContentFleet
{
    /// <inheritdoc/>
    public Task<ContentRecord?> FetchAsync(Digest digest, Action<long> onProgress, CancellationToken cancellationToken) =>
        fetcher.FetchAsync(digest, onProgress, cancellationToken);

    /// <inheritdoc/>
    public void StartFetch(ContentRecord content) => fetcher.StartFetch(content);

    /// <inheritdoc/>
    public Task WaitAsync(Digest digest, CancellationToken cancellationToken) => fetcher.WaitAsync(digest, cancellationToken);

    /// <inheritdoc/>
    public IBlockSource SourceFor(ContentRecord content) => fetcher.SourceFor(content);

    /// <inheritdoc/>
    public IGrowingContent? BeginGrowing(Digest digest, long size) =>
        fetcher.BeginGrowing(digest, size) is { } content ? new SharedContent(content) : null;

    /// <inheritdoc/>
    public void LookAhead(IReadOnlyList<Digest> digests) => fetcher.LookAhead(digests);

    private sealed class SharedContent(GrowingContent content) : IGrowingContent
    {
        public void Add(Cid chunk) => content.Add(chunk.Hash);

        public void Advance(long written) => content.Advance(written);

        public void Complete() => content.Complete();

        public void Dispose() => content.Dispose();
    }
}
