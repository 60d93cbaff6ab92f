using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using Ipcs.Multiformats;

namespace Ipcs.Dag.Read;

/// <summary>Requests a bounded number of blocks before they are needed. For one caller at a time.</summary>
internal sealed class ReadAhead(IBlockSource source, int limit) : IAsyncDisposable, IDisposable
{
    private readonly Dictionary<Cid, Task<IMemoryOwner<byte>>> _asked = [];
    private readonly List<Task> _dropped = [];
    private CancellationTokenSource _stop = new();

    /// <summary>True while another block may be requested.</summary>
    public bool HasRoom => _asked.Count < limit;

    /// <summary>Requests a block unless it has been requested.</summary>
    public void Ask(Cid cid)
    {
        if (HasRoom && !_asked.ContainsKey(cid))
        {
            _asked.Add(cid, StartAsync(cid));
        }
    }

    /// <summary>Gets a block, requested ahead or now. Repeats a request ahead that has failed.</summary>
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

    /// <summary>Reads a block that has arrived without taking it.</summary>
    public bool TryPeek(Cid cid, [MaybeNullWhen(false)] out ReadOnlyMemory<byte> bytes)
    {
        bool here = _asked.TryGetValue(cid, out Task<IMemoryOwner<byte>>? task) && task.IsCompletedSuccessfully;
        bytes = here ? task!.Result.Memory : default;
        return here;
    }

    /// <summary>Drops the request of one block.</summary>
    public void Drop(Cid cid)
    {
        if (_asked.Remove(cid, out Task<IMemoryOwner<byte>>? task))
        {
            Discard(task);
        }
    }

    /// <summary>Drops all blocks and cancels their requests, when the reader seeks.</summary>
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

    /// <summary>As <see cref="Clear"/>, without waiting until the blocks of cancelled requests are disposed.</summary>
    public void Dispose()
    {
        Clear();
        _stop.Dispose();
    }

    /// <summary>As <see cref="Clear"/>, and waits until no request is running.</summary>
    public async ValueTask DisposeAsync()
    {
        Dispose();
        await Task.WhenAll(_dropped);
    }

    // The task has all errors, including those that a source throws synchronously.
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

    private void Discard(Task<IMemoryOwner<byte>> task)
    {
        if (task.IsCompletedSuccessfully)
        {
            task.Result.Dispose();
            return;
        }

        _dropped.RemoveAll(static dropped => dropped.IsCompleted);
        _dropped.Add(DiscardAsync(task));
    }

    private static async Task DiscardAsync(Task<IMemoryOwner<byte>> task)
    {
        await ((Task)task).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (task.IsCompletedSuccessfully)
        {
            task.Result.Dispose();
        }
    }
}
