using Grpc.Core;
using Ipcs.Blockstore;
using Ipcs.ContentApi.Hosting;
using Ipcs.ContentApi.Rpc;
using Ipcs.ContentApi.V1;
using Ipcs.ContentApi.Wire;
using Ipcs.Dag;
using Ipcs.Dag.Read;
using Ipcs.Multiformats;

namespace Ipcs.ContentApi.Reading;

/// <summary>
/// Serves the Read RPC. One instance serves all calls. A Read from a cached reader whose current leaf has the range allocates nothing,
/// and does nothing with the store after its last byte is sent.
/// </summary>
internal sealed class ReadHandler(IStore store, ContentCatalog catalog, IContentFleet fleet, ReaderCache readers, RecentReads recent)
{
    /// <summary>
    /// Reads longer than this many bytes hold a GC lease of their own. A shorter one ends before a collection could have marked and swept.
    /// </summary>
    private const int LeaseFrom = 1 << 20;

    /// <summary>Streams the range that a request asks for.</summary>
    public async Task RunAsync(ReadContentRequest request, IServerStreamWriter<ReadReply> replies, CancellationToken cancellationToken)
    {
        Digest digest = RpcErrors.ParseDigest(request.Digest);
        try
        {
            await RunAsync(digest, request, replies, cancellationToken);
        }
        catch (Exception e) when (e is not RpcException and not OperationCanceledException)
        {
            recent.Failed(digest, e.Message);
            throw;
        }
    }

    private async Task RunAsync(
        Digest digest, ReadContentRequest request, IServerStreamWriter<ReadReply> replies, CancellationToken cancellationToken)
    {
        if (request.Offset < 0 || request.Size < 0)
        {
            throw RpcErrors.InvalidArgument($"offset {request.Offset}, size {request.Size}: neither may be negative");
        }

        ContentRecord content = Find(digest);
        if (request.Offset > content.Size)
        {
            throw RpcErrors.OutOfRange($"offset {request.Offset} is past the end of {digest}, which has {content.Size} bytes");
        }

        if (!content.Complete)
        {
            fleet.StartFetch(content);

            // A dag is verified block by block and can be read while it is fetched; a blob only after its whole hash has been checked.
            if (content.Kind == ContentKind.Blob)
            {
                await fleet.WaitAsync(digest, cancellationToken);
                content = Find(digest);
            }
        }

        long left = content.Size - request.Offset;
        long length = request.Size == 0 ? left : Math.Min(request.Size, left);
        if (length == 0)
        {
            return;
        }

        if (request.Offset == 0 && length < content.Size)
        {
            recent.Begun(digest);
        }

        // Keeps the blocks although a Delete during the read makes them garbage.
        using GcLease? lease = length > LeaseFrom ? store.LeaseDag(content.Root) : null;
        if (lease is not null)
        {
            content = Find(digest);
        }

        try
        {
            await ReadAsync(content, request.Offset, length, replies, cancellationToken);
        }
        catch (BlockNotFoundException) when (store.Contents.Get(digest) is null)
        {
            throw RpcErrors.NotFound($"content {digest} was deleted while it was read");
        }
        catch (BlockNotFoundException e) when (!content.Complete)
        {
            throw new ContentUnavailableException($"{digest} is not complete here: {e.Message}", e);
        }
    }

    private async Task ReadAsync(
        ContentRecord content, long offset, long length, IServerStreamWriter<ReadReply> replies, CancellationToken cancellationToken)
    {
        ContentReader reader = await OpenAsync(content, cancellationToken);
        bool done = false;
        try
        {
            await reader.SendAsync(replies, content, offset, length, cancellationToken);
            done = true;
        }
        finally
        {
            // A reader that failed is in an unknown state.
            await (done ? readers.ReturnAsync(reader) : reader.DisposeAsync());
        }
    }

    private async ValueTask<ContentReader> OpenAsync(ContentRecord content, CancellationToken cancellationToken)
    {
        var key = new ReaderKey(content.Digest, content.Root, content.Complete);
        if (readers.Rent(key) is { } cached)
        {
            return cached;
        }

        // Read before the record is looked up: a Delete after that look-up changes it.
        long removals = readers.Removals;
        GcLease lease = store.LeaseDag(content.Root);
        IBlockSource? source = null;
        try
        {
            // A collection that began before the lease may have taken the blocks, but only if the record is gone too.
            Find(content.Digest);
            source = content.Complete ? new LocalBlockSource(store.Blocks) : fleet.SourceFor(content);
            return new ContentReader(key, await DagReader.OpenAsync(content.Root, source, cancellationToken), source, lease, removals);
        }
        catch
        {
            lease.Dispose();
            await ContentReader.DisposeAsync(source);
            throw;
        }
    }

    private ContentRecord Find(Digest digest) => catalog.Get(digest) is { } record && (record.Owned || record.Complete)
        ? record
        : throw RpcErrors.NotFound($"content {digest} not found");
}
