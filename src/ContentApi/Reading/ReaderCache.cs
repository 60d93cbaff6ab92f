using Ipcs.Dag.Read;
using Ipcs.Multiformats;

namespace Ipcs.ContentApi.Reading;

/// <summary>
/// Readers kept warm between RPCs: containerd unpacks by one new Read of 32 KiB after the other, and the leaf and the link table that
/// the last one used serve the next eight. Each reader has one user at a time; the oldest idle ones are closed.
/// </summary>
internal sealed class ReaderCache : IDisposable
{
    /// <summary>Idle readers: one per layer that is unpacked at the same time, and some; each holds a leaf.</summary>
    private const int MaxIdle = 16;

    private readonly Lock _lock = new();
    private readonly LinkedList<(Digest Digest, DagReader Reader)> _idle = new();

    /// <summary>An idle reader of a content; null when there is none.</summary>
    public DagReader? Take(Digest digest)
    {
        lock (_lock)
        {
            for (LinkedListNode<(Digest Digest, DagReader Reader)>? node = _idle.Last; node is not null; node = node.Previous)
            {
                if (node.Value.Digest == digest)
                {
                    _idle.Remove(node);
                    return node.Value.Reader;
                }
            }
        }

        return null;
    }

    /// <summary>Takes a reader back.</summary>
    public void Return(Digest digest, DagReader reader)
    {
        DagReader? oldest = null;
        lock (_lock)
        {
            _idle.AddLast((digest, reader));
            if (_idle.Count > MaxIdle)
            {
                oldest = _idle.First!.Value.Reader;
                _idle.RemoveFirst();
            }
        }

        oldest?.Dispose();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (_lock)
        {
            foreach ((_, DagReader reader) in _idle)
            {
                reader.Dispose();
            }

            _idle.Clear();
        }
    }
}
