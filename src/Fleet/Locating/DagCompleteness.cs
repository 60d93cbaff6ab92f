using System.Diagnostics;
using Ipcs.Blockstore;
using Ipcs.Dag;
using Ipcs.Dag.Read;
using Ipcs.Libp2p;
using Ipcs.Multiformats;

namespace Ipcs.Fleet.Locating;

/// <summary>
/// Remembers of DAG roots without a record whether all their blocks are stored. A root is walked in the background, one at a time, and
/// again when its result is old. Owns the walks. Thread-safe.
/// </summary>
internal sealed class DagCompleteness(IBlockstore blocks, TimeProvider time) : IAsyncDisposable
{
    /// <summary>The maximum number of remembered roots. Over that the oldest result is removed.</summary>
    private const int MaxRoots = 4096;

    /// <summary>
    /// Walks that wait or run: a pull asks for some tens of roots. Over that a root counts as incomplete, and is walked at a later
    /// question.
    /// </summary>
    private const int MaxWalks = 64;

    /// <summary>How old a result may be before the root is walked again: blocks arrive and are collected meanwhile.</summary>
    private static readonly TimeSpan MaxAge = TimeSpan.FromSeconds(5);

    private readonly Lock _lock = new();
    private readonly OrderedDictionary<Cid, (bool Complete, long At)> _results = [];
    private readonly Dictionary<Cid, Task<bool>> _walks = [];
    private readonly SemaphoreSlim _walking = new(1, 1);
    private readonly CancellationTokenSource _stopping = new();
    private readonly TaskTracker _background = new();

    /// <summary>The last known result, false when there is none; a walk is started when it is missing or old. Does not wait.</summary>
    public bool Peek(Cid root)
    {
        lock (_lock)
        {
            bool known = _results.TryGetValue(root, out (bool Complete, long At) result);
            if (!known || time.GetElapsedTime(result.At) >= MaxAge)
            {
                _ = StartWalk(root);
            }

            return known && result.Complete;
        }
    }

    /// <summary>The result of the walk that is under way, or of a new one; false when too many wait.</summary>
    public Task<bool> CheckAsync(Cid root)
    {
        lock (_lock)
        {
            return StartWalk(root);
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        await _background.WhenAllAsync();
    }

    private Task<bool> StartWalk(Cid root)
    {
        if (_walks.TryGetValue(root, out Task<bool>? walk))
        {
            return walk;
        }

        if (_walks.Count == MaxWalks || _stopping.IsCancellationRequested)
        {
            return Task.FromResult(false);
        }

        walk = Task.Run(() => WalkAsync(root));
        _walks.Add(root, walk);
        _background.Add(walk);
        return walk;
    }

    private async Task<bool> WalkAsync(Cid root)
    {
        bool complete = false;
        try
        {
            await _walking.WaitAsync(_stopping.Token);
            try
            {
                complete = DagVerify.IsComplete(blocks, root, _stopping.Token);
            }
            finally
            {
                _walking.Release();
            }
        }
        catch (Exception e) when (e is OperationCanceledException or DagFormatException or StoreException)
        {
            // Stopping, a DAG over the bounds, or a damaged block: the root counts as incomplete.
        }

        lock (_lock)
        {
            _walks.Remove(root);
            _results.Remove(root);
            if (_results.Count == MaxRoots)
            {
                _results.RemoveAt(0);
            }

            _results.Add(root, (complete, time.GetTimestamp()));
            Debug.Assert(_results.Count <= MaxRoots, "the oldest result was removed");
        }

        return complete;
    }
}
