using System.Diagnostics;
using Grpc.Core;
using Ipcs.Blockstore;
using Ipcs.ContentApi.Wire;
using Ipcs.Dag;
using Ipcs.Dag.Read;

namespace Ipcs.ContentApi.Reading;

/// <summary>
/// An open content with everything that a Read needs, so that the next Read allocates nothing. Owns the DAG reader, its block source and
/// the GC lease on the root. Used by one Read at a time.
/// </summary>
internal sealed class ContentReader : IAsyncDisposable
{
    private readonly DagReader _reader;
    private readonly IBlockSource _source;
    private readonly GcLease _lease;
    private readonly ReplyStream _stream;

    /// <summary>Takes ownership of the reader, the source and the lease.</summary>
    /// <param name="key">What is read.</param>
    /// <param name="reader">The DAG reader.</param>
    /// <param name="source">Where the reader's blocks come from.</param>
    /// <param name="lease">Protects the DAG from collection.</param>
    /// <param name="removals"><see cref="ReaderCache.Removals"/> from before the content's record was looked up.</param>
    public ContentReader(ReaderKey key, DagReader reader, IBlockSource source, GcLease lease, long removals)
    {
        Key = key;
        _reader = reader;
        _source = source;
        _lease = lease;
        _stream = new ReplyStream(reader);
        Removals = removals;
        Node = new LinkedListNode<ContentReader>(this);
    }

    /// <summary>What is read.</summary>
    public ReaderKey Key { get; }

    /// <summary>The reader's place in the list of idle readers. It lasts as long as the reader, so that no Read allocates one.</summary>
    public LinkedListNode<ContentReader> Node { get; }

    /// <summary><see cref="ReaderCache.Removals"/> at a time when the content was in the index.</summary>
    public long Removals { get; set; }

    /// <summary>Sends a range of the content as messages.</summary>
    /// <exception cref="DagFormatException">The DAG has another length than the record says.</exception>
    public Task SendAsync(
        IServerStreamWriter<ReadReply> replies, ContentRecord content, long offset, long length, CancellationToken cancellationToken)
    {
        Debug.Assert(content.Root == Key.Root, "a reader is used for the root that it was opened for");
        return _reader.Length == content.Size
            ? _stream.SendAsync(replies, offset, length, cancellationToken)
            : throw new DagFormatException(
                $"{content.Digest} has {content.Size} bytes in the index, but its DAG {content.Root} has {_reader.Length}");
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        Debug.Assert(Node.List is null, "an idle reader is disposed only after it was taken out of the cache");
        try
        {
            _reader.Dispose();
            await DisposeAsync(_source);
        }
        finally
        {
            _lease.Dispose();
        }
    }

    /// <summary>Disposes a source of a kind that must be disposed.</summary>
    public static async ValueTask DisposeAsync(IBlockSource? source)
    {
        if (source is IAsyncDisposable asynchronous)
        {
            await asynchronous.DisposeAsync();
        }
        else
        {
            (source as IDisposable)?.Dispose();
        }
    }
}
