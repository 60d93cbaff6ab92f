using Ipcs.Multiformats;

namespace Ipcs.ContentApi.Reading;

/// <summary>
/// Readers that nobody uses just now, the last used first. Unpacking reads 32 KiB per RPC: with a warm reader a leaf is got once and not
/// eight times, and no inner node twice. Each reader has one user at a time; a content may have several readers. Thread-safe.
/// </summary>
internal sealed class ReaderCache(int capacity) : IAsyncDisposable
{
    private readonly Lock _gate = new();
    private readonly LinkedList<ContentReader> _idle = new();
    private bool _disposed;

    /// <summary>An idle reader, which is the caller's from then on; null when there is none.</summary>
    public ContentReader? Take(ReaderKey key)
    {
        lock (_gate)
        {
            for (LinkedListNode<ContentReader>? node = _idle.First; node is not null; node = node.Next)
            {
                if (node.Value.Key == key)
                {
                    _idle.Remove(node);
                    return node.Value;
                }
            }

            return null;
        }
    }

    /// <summary>Gives a reader back.</summary>
    public ValueTask GiveAsync(ContentReader reader)
    {
        ContentReader? dropped = null;
        lock (_gate)
        {
            if (_disposed)
            {
                dropped = reader;
            }
            else
            {
                _idle.AddFirst(reader);
                if (_idle.Count > capacity)
                {
                    dropped = _idle.Last!.Value;
                    _idle.RemoveLast();
                }
            }
        }

        return dropped?.DisposeAsync() ?? ValueTask.CompletedTask;
    }

    /// <summary>Closes the idle readers of a content.</summary>
    public ValueTask ForgetAsync(Digest digest) => DropAsync(reader => reader.Key.Digest == digest);

    public ValueTask DisposeAsync()
    {
        lock (_gate)
        {
            _disposed = true;
        }

        return DropAsync(_ => true);
    }

    private async ValueTask DropAsync(Predicate<ContentReader> which)
    {
        var dropped = new List<ContentReader>();
        lock (_gate)
        {
            dropped.AddRange(_idle.Where(reader => which(reader)));
            dropped.ForEach(reader => _idle.Remove(reader));
        }

        foreach (ContentReader reader in dropped)
        {
            await reader.DisposeAsync();
        }
    }
}
