using System.Buffers;
using System.Diagnostics;
using Ipcs.Bitswap;
using Ipcs.Bitswap.Client;
using Ipcs.Dag;
using Ipcs.Multiformats;

namespace Ipcs.Fleet;

/// <summary>
/// The fetch of a whole DAG under its root for a command, from the same sources and in the same order as a content: hosts that fetch the
/// same root trade its blocks. A reader that follows waits for the blocks as they come, and does not request them itself: hosts that read
/// in the same order would all take the same block from the same peer. Owns its session. Thread-safe.
/// </summary>
public sealed class DagDownload : IBlockSource, IAsyncDisposable
{
    /// <summary>
    /// Blocks that are fetched ahead of a reader: 512 MiB at 256 KiB. A client that reads slowly does not make the store full.
    /// </summary>
    private const int MaxAhead = 2048;

    /// <summary>How long a reader waits for a block that is not requested yet, before it requests it itself.</summary>
    private static readonly TimeSpan OwnRequestTime = TimeSpan.FromMilliseconds(200);

    private readonly FetchServices _services;
    private readonly Action<DagDownload> _onEnd;
    private readonly BitswapSession _session;
    private readonly FetchSources? _sources;
    private readonly CancellationTokenSource _over = new();
    private readonly TimeSpan _findTime;
    private readonly Lock _lock = new();

    // Under the lock.
    private readonly HashSet<Multihash> _requested = [];
    private readonly Dictionary<Multihash, TaskCompletionSource> _awaited = [];
    private TaskCompletionSource _room = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private long _arrived;
    private long _read;
    private bool _hasReader;
    private Task? _fetching;

    internal DagDownload(FetchServices services, Cid root, TimeSpan findTime, Action<DagDownload> onEnd)
    {
        _services = services;
        _onEnd = onEnd;
        _findTime = findTime;
        Root = root;
        _session = services.Bitswap.CreateSession([]);

        // Other hashes are no digests, so that peers cannot be asked for them.
        if (root.Hash.Code is Multihash.Sha2_256 or Multihash.Sha2_384 or Multihash.Sha2_512)
        {
            _sources = new FetchSources(services, new Digest(root.Hash), root, _session) { WithFailed = true, IsUnrecorded = true };
        }
    }

    /// <summary>The root.</summary>
    public Cid Root { get; }

    /// <summary>Fetches every block that is not stored.</summary>
    /// <param name="onBlock">Called for each block once it is stored, also when it was stored before.</param>
    /// <param name="cancellationToken">Ends the wait; disposal ends the fetch.</param>
    /// <exception cref="BlockNotFoundException">No peer sends a block.</exception>
    /// <exception cref="DagFormatException">A block is malformed, or the DAG has too many blocks.</exception>
    public async Task RunAsync(Action onBlock, CancellationToken cancellationToken)
    {
        Task fetching;
        lock (_lock)
        {
            Debug.Assert(_fetching is null, "a download runs once");
            fetching = _fetching = FetchAsync(onBlock);
        }

        await fetching.WaitAsync(cancellationToken);
    }

    /// <inheritdoc/>
    public async ValueTask<IMemoryOwner<byte>> GetAsync(Cid cid, CancellationToken cancellationToken)
    {
        CountRead();
        if (_services.Store.Blocks.Get(cid.Hash) is { } stored)
        {
            return stored;
        }

        if (await ArrivesAsync(cid.Hash, cancellationToken) && _services.Store.Blocks.Get(cid.Hash) is { } arrived)
        {
            return arrived;
        }

        try
        {
            return await _session.GetAsync(cid, urgent: true, cancellationToken);
        }
        catch (BlockUnavailableException e)
        {
            throw new BlockNotFoundException(cid, e.Message, e);
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        _onEnd(this);
        await _over.CancelAsync();
        Task? fetching;
        lock (_lock)
        {
            fetching = _fetching;
        }

        if (fetching is not null)
        {
            await fetching.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        await _session.DisposeAsync();
        _over.Dispose();
    }

    /// <summary>A peer is fetching the DAG too.</summary>
    internal void AddLeecher(PeerId peer) => _sources?.Add(peer, PeerAvailability.Partial);

    private void CountRead()
    {
        lock (_lock)
        {
            _read++;
            if (_arrived - _read < MaxAhead)
            {
                _room.TrySetResult();
            }
        }
    }

    /// <summary>Waits for a block that the fetch has requested or will request soon. False when it does not come so.</summary>
    private async ValueTask<bool> ArrivesAsync(Multihash hash, CancellationToken cancellationToken)
    {
        Task arrival, fetching;
        lock (_lock)
        {
            if (_fetching is null)
            {
                // The first block of the reader that is not here.
                _hasReader = true;
                _fetching = FetchAsync(static () => { });
            }
            else if (_fetching.IsCompleted)
            {
                return false;
            }

            if (!_awaited.TryGetValue(hash, out TaskCompletionSource? awaited))
            {
                awaited = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
                _awaited.Add(hash, awaited);
            }

            (arrival, fetching) = (awaited.Task, _fetching);
        }

        if (_services.Store.Blocks.Has(hash))
        {
            // It arrived before it was awaited.
            return true;
        }

        await Task.WhenAny(arrival, fetching, Task.Delay(OwnRequestTime, _services.Time, cancellationToken));
        bool isRequested;
        lock (_lock)
        {
            isRequested = _requested.Contains(hash);
        }

        if (isRequested && !arrival.IsCompleted)
        {
            await Task.WhenAny(arrival, fetching).WaitAsync(cancellationToken);
        }

        cancellationToken.ThrowIfCancellationRequested();
        if (fetching.Exception?.InnerException is BlockNotFoundException missing && missing.Cid.Hash == hash)
        {
            throw missing;
        }

        return arrival.IsCompleted;
    }

    private async Task FetchAsync(Action onBlock)
    {
        await Task.Yield();
        Task finding = Task.CompletedTask;
        try
        {
            if (_sources is not null)
            {
                await _services.Locator.Ask(_sources.Digest).Decided.WaitAsync(_findTime, _services.Time, _over.Token)
                    .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                finding = _sources.KeepFindingAsync(_over.Token);
            }
            else
            {
                _services.Search.Start(Root.Hash);
            }

            await new DagFetch(_services.Store.Blocks, _session, Root, (cid, block) =>
            {
                block?.Dispose();
                Arrived(cid.Hash);
                onBlock();
            })
            {
                OnRequest = Requested,
                WaitForRoom = RoomAsync,
            }.RunAsync(_over.Token);
        }
        finally
        {
            await _over.CancelAsync();
            await finding;
        }
    }

    private void Requested(IReadOnlyList<Cid> blocks)
    {
        lock (_lock)
        {
            foreach (Cid cid in blocks)
            {
                _requested.Add(cid.Hash);
            }
        }
    }

    private void Arrived(Multihash hash)
    {
        lock (_lock)
        {
            _requested.Remove(hash);
            _arrived++;
            if (_awaited.Remove(hash, out TaskCompletionSource? awaited))
            {
                awaited.SetResult();
            }
        }
    }

    /// <summary>Waits while a reader is too far behind.</summary>
    private async ValueTask RoomAsync(CancellationToken cancellationToken)
    {
        Task room;
        lock (_lock)
        {
            if (!_hasReader || _arrived - _read < MaxAhead)
            {
                return;
            }

            _room = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            room = _room.Task;
        }

        await room.WaitAsync(cancellationToken);
    }
}
