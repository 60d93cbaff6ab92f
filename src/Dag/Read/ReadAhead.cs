using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using Ipcs.Multiformats;

namespace Ipcs.Dag.Read;

/// <summary>Blocks asked for before they are needed, a bounded number. Used by one caller at a time.</summary>
internal sealed class ReadAhead(IBlockSource source, int limit) : IDisposable
{
    private readonly Dictionary<Cid, Task<IMemoryOwner<byte>>> _asked = [];
    private CancellationTokenSource _stop = new();

    /// <summary>True while one more may be asked for.</summary>
    public bool HasRoom => _asked.Count < limit;

    /// <summary>Asks for a block, unless it has been asked for.</summary>
    public void Ask(Cid cid)
    {
        if (HasRoom && !_asked.ContainsKey(cid))
        {
            _asked.Add(cid, StartAsync(cid));
        }
    }

    /// <summary>The block, asked for ahead or now. When what was asked for ahead has failed, it is asked for again.</summary>
    public ValueTask<IMemoryOwner<byte>> TakeAsync(Cid cid, CancellationToken cancellationToken)
    {
        if (!_asked.TryGetValue(cid, out Task<IMemoryOwner<byte>>? task))
        {
            return BlockGetter.GetAsync(source, cid, cancellationToken);
        }

        if (task.IsCompletedSuccessfully)
        {
            _asked.Remove(cid);
            return new ValueTask<IMemoryOwner<byte>>(task);
        }

        return AwaitAsync(cid, task, cancellationToken);
    }

    /// <summary>Looks at a block that has come and leaves it.</summary>
    public bool TryPeek(Cid cid, [MaybeNullWhen(false)] out ReadOnlyMemory<byte> bytes)
    {
        bool here = _asked.TryGetValue(cid, out Task<IMemoryOwner<byte>>? task) && task.IsCompletedSuccessfully;
        bytes = here ? task!.Result.Memory : default;
        return here;
    }

    /// <summary>Lets one block go.</summary>
    public void Drop(Cid cid)
    {
        if (_asked.Remove(cid, out Task<IMemoryOwner<byte>>? task))
        {
            Discard(task);
        }
    }

    /// <summary>Lets all blocks go and stops the asking: the reader went elsewhere.</summary>
    public void Clear()
    {
        if (_asked.Count == 0)
        {
            return;
        }

        _stop.Cancel();
        _stop.Dispose();
        _stop = new CancellationTokenSource();
        foreach (Task<IMemoryOwner<byte>> task in _asked.Values)
        {
            Discard(task);
        }

        _asked.Clear();
    }

    public void Dispose()
    {
        Clear();
        _stop.Dispose();
    }

    // Errors stay in the task, also those a source throws at once.
    private async Task<IMemoryOwner<byte>> StartAsync(Cid cid) => await BlockGetter.GetAsync(source, cid, _stop.Token);

    private async ValueTask<IMemoryOwner<byte>> AwaitAsync(Cid cid, Task<IMemoryOwner<byte>> task, CancellationToken cancellationToken)
    {
        try
        {
            IMemoryOwner<byte> block = await task.WaitAsync(cancellationToken);
            _asked.Remove(cid);
            return block;
        }
        catch (Exception) when (task.IsCompleted && !task.IsCompletedSuccessfully && !cancellationToken.IsCancellationRequested)
        {
            _asked.Remove(cid);
            return await BlockGetter.GetAsync(source, cid, cancellationToken);
        }
    }

    private static void Discard(Task<IMemoryOwner<byte>> task) => _ = task.ContinueWith(
        static done =>
        {
            if (done.IsCompletedSuccessfully)
            {
                done.Result.Dispose();
            }
            else
            {
                // Looked at, so that it is not reported as unobserved.
                _ = done.Exception;
            }
        },
        CancellationToken.None,
        TaskContinuationOptions.ExecuteSynchronously,
        TaskScheduler.Default);
}
