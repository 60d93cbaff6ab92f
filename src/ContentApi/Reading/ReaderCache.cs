using System.Diagnostics;
using Ipcs.Multiformats;

namespace Ipcs.ContentApi.Reading;

/// <summary>
/// Idle readers, the most recently used first. containerd unpacks with one Read per 32 KiB: with a cached reader a leaf of 256 KiB is read
/// from the store once instead of eight times, and each inner node once. A content may have several readers, each used by one Read at a
/// time. Thread-safe.
/// </summary>
internal sealed class ReaderCache(int capacity) : IAsyncDisposable
{
    private readonly Lock _gate = new();
    private readonly LinkedList<ContentReader> _idle = new();
    private long _removals;
    private bool _disposed;

    /// <summary>
    /// How often <see cref="RemoveAsync"/> was called. A reader that was in use then may be of the removed content, and its lease would
    /// keep the blocks of a deleted content: such a reader is closed when it is returned.
    /// </summary>
    public long Removals => Interlocked.Read(ref _removals);

    /// <summary>An idle reader, which the caller returns or disposes; null when there is none.</summary>
    public ContentReader? Rent(ReaderKey key)
    {
        lock (_gate)
        {
            for (LinkedListNode<ContentReader>? node = _idle.First; node is not null; node = node.Next)
            {
                if (node.Value.Key == key)
                {
                    _idle.Remove(node);
                    node.Value.Removals = _removals;
                    return node.Value;
                }
            }

            return null;
        }
    }

    /// <summary>Takes a reader back, and closes it or another when it can't be kept.</summary>
    public ValueTask ReturnAsync(ContentReader reader)
    {
        ContentReader? dropped = null;
        lock (_gate)
        {
            Debug.Assert(reader.Node.List is null, "a reader is returned once");
            if (_disposed || reader.Removals != _removals)
            {
                dropped = reader;
            }
            else
            {
                _idle.AddFirst(reader.Node);
                if (_idle.Count > capacity)
                {
                    dropped = _idle.Last!.Value;
                    _idle.RemoveLast();
                }
            }

            Debug.Assert(_idle.Count <= capacity, "the number of idle readers is bounded");
        }

        return dropped?.DisposeAsync() ?? ValueTask.CompletedTask;
    }

    /// <summary>Closes the idle readers of a deleted content now, and those in use when they are returned.</summary>
    public ValueTask RemoveAsync(Digest digest) => CloseAsync(reader => reader.Key.Digest == digest);

    /// <inheritdoc/>
    public ValueTask DisposeAsync()
    {
        lock (_gate)
        {
            _disposed = true;
        }

        return CloseAsync(_ => true);
    }

    private async ValueTask CloseAsync(Predicate<ContentReader> which)
    {
        var dropped = new List<ContentReader>();
        lock (_gate)
        {
            _removals++;
            dropped.AddRange(_idle.Where(reader => which(reader)));
            dropped.ForEach(reader => _idle.Remove(reader.Node));
        }

        foreach (ContentReader reader in dropped)
        {
            await reader.DisposeAsync();
        }
    }
}
