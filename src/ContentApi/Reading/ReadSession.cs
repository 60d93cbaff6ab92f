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

/// <summary>Reads of contents: the range, the wait for what is not here yet, and the reader.</summary>
internal sealed class ReadSession(IStore store, ContentCatalog updates, IContentFleet fleet, ReaderCache readers, RecentReads recent)
{
    /// <summary>From this many bytes on, a read keeps garbage collections off.</summary>
    private const int HoldFrom = 1 << 20;

    /// <summary>Streams the bytes that a request asks for.</summary>
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

    private async Task RunAsync(Digest digest, ReadContentRequest request, IServerStreamWriter<ReadReply> replies, CancellationToken cancellationToken)
    {
        if (request.Offset < 0 || request.Size < 0)
        {
            throw RpcErrors.InvalidArgument($"offset {request.Offset}, size {request.Size}: neither may be negative");
        }

        ContentRecord content = Find(digest);
        if (request.Offset > content.Size)
        {
            throw RpcErrors.OutOfRange($"{digest} has {content.Size} bytes, there is no offset {request.Offset}");
        }

        if (!content.Complete)
        {
            fleet.StartFetch(content);

            // A dag is verified block by block and may be read while it comes; a blob only once all of it has been.
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

        // A Delete in the middle lets go of the blocks, but not of those that are being read. A short read is over before that matters.
        using GcLease? hold = length > HoldFrom ? store.LeaseDag(content.Root) : null;
        if (hold is not null)
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
            throw new ContentUnavailableException($"{digest} is not whole here: {e.Message}", e);
        }
    }

    private async Task ReadAsync(
        ContentRecord content, long offset, long length, IServerStreamWriter<ReadReply> replies, CancellationToken cancellationToken)
    {
        ContentReader reader = await OpenAsync(content, cancellationToken);
        bool good = false;
        try
        {
            if (reader.Reader.Length != content.Size)
            {
                throw new DagFormatException($"{content.Digest} has {content.Size} bytes, but its DAG {content.Root} has {reader.Reader.Length}");
            }

            await new ReplyStream(replies).SendAsync(reader.Reader, offset, length, cancellationToken);
            good = true;
        }
        finally
        {
            // A warm reader keeps its content from garbage collection: not one that was deleted meanwhile.
            await (good && store.Contents.Get(content.Digest) is not null ? readers.GiveAsync(reader) : reader.DisposeAsync());
        }
    }

    private async ValueTask<ContentReader> OpenAsync(ContentRecord content, CancellationToken cancellationToken)
    {
        var key = new ReaderKey(content.Digest, content.Root, content.Complete);
        if (readers.Take(key) is { } warm)
        {
            return warm;
        }

        // Deleted meanwhile, it is read to its end all the same.
        GcLease kept = store.LeaseDag(content.Root);
        IBlockSource? source = null;
        try
        {
            Find(content.Digest);

            // What is whole is read without the network.
            source = content.Complete ? new LocalBlockSource(store.Blocks) : fleet.SourceFor(content);
            return new ContentReader(key, await DagReader.OpenAsync(content.Root, source, cancellationToken), source, kept);
        }
        catch
        {
            kept.Dispose();
            await ContentReader.DisposeAsync(source);
            throw;
        }
    }

    private ContentRecord Find(Digest digest) => updates.Get(digest) is { } record && (record.Owned || record.Complete)
        ? record
        : throw RpcErrors.NotFound($"content {digest} not found");
}
