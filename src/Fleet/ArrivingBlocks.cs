using System.Buffers;
using Ipcs.Blockstore;
using Ipcs.Dag;
using Ipcs.Multiformats;

namespace Ipcs.Fleet;

/// <summary>
/// The blocks of a DAG that is being fetched, for one reader that follows the fetch in order. A block that has arrived shortly before it is
/// read is given from memory, any other one from the store. Thread-safe for one reader and one fetch.
/// </summary>
internal sealed class ArrivingBlocks(IBlockstore blocks) : IBlockSource, IDisposable
{
    /// <summary>More than the blocks that are between their storing and their arrival here at a time.</summary>
    private const int MaxRead = 64;

    private readonly Lock _lock = new();

    /// <summary>Blocks that have arrived before their turn. <see cref="Bitswap.Exchange.BitswapService"/> limits their number.</summary>
    private readonly Dictionary<Multihash, IMemoryOwner<byte>> _early = [];

    /// <summary>The blocks that were last read from the store, perhaps before their arrival was known.</summary>
    private readonly Queue<Multihash> _read = new(MaxRead);

    private Cid _awaited;
    private TaskCompletionSource<IMemoryOwner<byte>?>? _arrival;
    private bool _complete;
    private bool _disposed;

    /// <inheritdoc/>
    public async ValueTask<IMemoryOwner<byte>> GetAsync(Cid cid, CancellationToken cancellationToken)
    {
        TaskCompletionSource<IMemoryOwner<byte>?> arrival;
        lock (_lock)
        {
            if (_early.Remove(cid.Hash, out IMemoryOwner<byte>? early))
            {
                return early;
            }

            if (_complete)
            {
                return Stored(cid);
            }

            // Before the look into the store, so that an arrival after that look is noticed.
            arrival = new TaskCompletionSource<IMemoryOwner<byte>?>(TaskCreationOptions.RunContinuationsAsynchronously);
            (_awaited, _arrival) = (cid, arrival);
        }

        IMemoryOwner<byte>? block = blocks.Get(cid.Hash);
        if (block is not null && TryStopWaiting(arrival, cid.Hash))
        {
            return block;
        }

        block?.Dispose();
        try
        {
            return await arrival.Task.WaitAsync(cancellationToken) ?? Stored(cid);
        }
        catch
        {
            if (!TryStopWaiting(arrival, cid.Hash))
            {
                (await arrival.Task)?.Dispose();
            }

            throw;
        }
    }

    /// <summary>A block is stored. Takes its bytes when they are still in memory.</summary>
    public void Arrived(Cid cid, IMemoryOwner<byte>? block)
    {
        lock (_lock)
        {
            if (_arrival is { } arrival && _awaited.Hash == cid.Hash)
            {
                _arrival = null;
                arrival.SetResult(block);
            }
            else if (block is not null && (_disposed || _read.Contains(cid.Hash) || !_early.TryAdd(cid.Hash, block)))
            {
                block.Dispose();
            }
        }
    }

    /// <summary>All blocks are stored: a block that the reader asks for and that is not in the store cannot be found.</summary>
    public void Complete()
    {
        lock (_lock)
        {
            _complete = true;
            _arrival?.SetResult(null);
            _arrival = null;
        }
    }

    /// <summary>Releases the blocks that the reader has not asked for, and those that arrive from now on.</summary>
    public void Dispose()
    {
        lock (_lock)
        {
            _disposed = true;
            foreach (IMemoryOwner<byte> block in _early.Values)
            {
                block.Dispose();
            }

            _early.Clear();
        }
    }

    private bool TryStopWaiting(TaskCompletionSource<IMemoryOwner<byte>?> arrival, in Multihash hash)
    {
        lock (_lock)
        {
            if (_arrival != arrival)
            {
                return false;
            }

            _arrival = null;
            if (_read.Count == MaxRead)
            {
                _read.Dequeue();
            }

            _read.Enqueue(hash);
            return true;
        }
    }

    private IMemoryOwner<byte> Stored(Cid cid) =>
        blocks.Get(cid.Hash) ?? throw new BlockNotFoundException(cid, "it was removed right after it arrived");
}
