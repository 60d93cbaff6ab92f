using System.Buffers;
using Ipcs.Blockstore;
using Ipcs.Dag;
using Ipcs.Dag.Directories;
using Ipcs.Fleet;
using Ipcs.Libp2p;
using Ipcs.Multiformats;

namespace Ipcs.ControlApi;

/// <summary>
/// The blocks that one request reads: from the store, and from the fleet unless the request has the option <c>offline</c>. Owns the Bitswap
/// session.
/// </summary>
internal sealed class RequestBlocks : IBlockSource, IAsyncDisposable
{
    /// <summary>How long the fleet may take to send a block.</summary>
    private static readonly TimeSpan SearchTimeout = TimeSpan.FromSeconds(60);

    private readonly RequestBlockSources _sources;
    private readonly BitswapSource? _fleet;
    private DagDownload? _download;

    public RequestBlocks(RequestBlockSources sources, ApiRequest request)
    {
        _sources = sources;
        _fleet = request.Flag("offline") ? null : sources.Fetcher.AnySource();
    }

    /// <inheritdoc/>
    /// <exception cref="BlockNotFoundException">The block is not in the store and no peer sent it in time.</exception>
    public async ValueTask<IMemoryOwner<byte>> GetAsync(Cid cid, CancellationToken cancellationToken)
    {
        if (_download is null && _sources.Store.Blocks.Get(cid.Hash) is { } block)
        {
            return block;
        }

        if (_fleet is null)
        {
            throw new BlockNotFoundException(cid, "not in the local store");
        }

        using var deadline = new Deadline(_sources.Time, SearchTimeout, cancellationToken);
        try
        {
            IBlockSource fleet = _download ?? (IBlockSource)_fleet;
            return await fleet.GetAsync(cid, deadline.Token);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new BlockNotFoundException(cid, $"not here, and no peer sent it within {SearchTimeout.TotalSeconds} s");
        }
    }

    /// <summary>
    /// Fetches the whole DAG under a root ahead of the reader, once a block of it is not in the store. From now on all of the request's
    /// blocks are below it.
    /// </summary>
    public async ValueTask ReadAllAsync(Cid root)
    {
        if (_fleet is not null)
        {
            if (_download is not null)
            {
                await _download.DisposeAsync();
            }

            _download = _sources.Fetcher.Download(root);
        }
    }

    /// <summary>The root that an argument names: a CID, a path below a CID, or the digest of a content, which is fetched first.</summary>
    public async Task<Cid> ResolveAsync(string arg, CancellationToken cancellationToken)
    {
        if (Digest.TryParse(arg, out Digest digest))
        {
            return (await FetchContentAsync(digest, cancellationToken)).Root;
        }

        if (!DagPath.TryParse(arg, out DagPath? path))
        {
            throw ApiException.Bad($"'{arg}' is not a CID, a path below one, or a digest");
        }

        if (_fleet is not null)
        {
            _fleet.Root = path.Root;
        }

        return await path.ResolveAsync(this, cancellationToken);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (_download is not null)
        {
            await _download.DisposeAsync();
        }

        if (_fleet is not null)
        {
            await _fleet.DisposeAsync();
        }
    }

    private async Task<ContentRecord> FetchContentAsync(Digest digest, CancellationToken cancellationToken)
    {
        ContentRecord? record = _sources.Store.Contents.Get(digest);
        if (record is null && _fleet is not null && await _sources.Fetcher.SearchAsync(digest, cancellationToken) is { } found)
        {
            DateTimeOffset now = _sources.Time.GetUtcNow();
            record = _sources.Catalog.Change(digest, there => there ?? found with { CreatedAt = now, UpdatedAt = now });
        }

        if (record is null)
        {
            string peers = _fleet is null ? "" : $", and none of the {_sources.Host.Peers.Count} connected peers has it";
            throw new ApiException($"{digest} is not here{peers}");
        }

        // A blob may be read only after its whole hash was checked. Of a dag content, each block is checked by itself.
        if (record is { Complete: false, Kind: ContentKind.Blob })
        {
            await _sources.Fetcher.WaitAsync(digest, cancellationToken);
        }

        if (_fleet is not null)
        {
            _fleet.Root = record.Root;
        }

        return record;
    }
}
