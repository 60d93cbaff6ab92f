using System.Threading.Channels;
using Ipcs.Blockstore;
using Ipcs.Dag.Read;
using Ipcs.Multiformats;
using Microsoft.Extensions.Logging;

namespace Ipcs.Fleet;

/// <summary>
/// Handles blocks that the disk has lost: a content that reaches one is no longer complete, so that it is not offered to peers, and is
/// fetched again when containerd owns it. A pinned DAG is fetched again too. Owns its loop.
/// </summary>
internal sealed partial class BlockRepair : IAsyncDisposable
{
    /// <summary>
    /// Lost blocks that wait to be handled, in 150 KB. Contents that reach only further ones stay complete until these are read.
    /// </summary>
    private const int MaxLost = 4096;

    private readonly IStore _store;
    private readonly ContentCatalog _catalog;
    private readonly Action<ContentRecord> _fetch;
    private readonly Func<PinRecord, CancellationToken, Task> _fetchPin;
    private readonly ILogger _logger;
    private readonly Channel<Multihash> _lost = Channel.CreateBounded<Multihash>(MaxLost);
    private readonly CancellationTokenSource _stopping = new();
    private readonly Task _loop;

    /// <summary>Starts to handle the lost blocks of a store.</summary>
    /// <param name="store">The store.</param>
    /// <param name="catalog">Its contents.</param>
    /// <param name="fetch">Starts the fetch of an owned content.</param>
    /// <param name="fetchPin">Fetches the blocks of a pin.</param>
    /// <param name="logger">The logger.</param>
    public BlockRepair(
        IStore store,
        ContentCatalog catalog,
        Action<ContentRecord> fetch,
        Func<PinRecord, CancellationToken, Task> fetchPin,
        ILogger logger)
    {
        _store = store;
        _catalog = catalog;
        _fetch = fetch;
        _fetchPin = fetchPin;
        _logger = logger;
        _store.BlockLost += OnLost;
        _loop = Task.Run(RunAsync);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        _store.BlockLost -= OnLost;
        await _stopping.CancelAsync();
        await _loop;
        _stopping.Dispose();
    }

    private void OnLost(Multihash hash)
    {
        LogLost(hash);
        _lost.Writer.TryWrite(hash);
    }

    private async Task RunAsync()
    {
        try
        {
            while (await _lost.Reader.WaitToReadAsync(_stopping.Token))
            {
                var lost = new HashSet<Multihash>();
                while (_lost.Reader.TryRead(out Multihash hash))
                {
                    lost.Add(hash);
                }

                try
                {
                    ChangeContents(lost);
                    await FetchPinsAsync(lost);
                }
                catch (Exception e) when (e is not OperationCanceledException)
                {
                    LogFailed(e.Message);
                }
            }
        }
        catch (OperationCanceledException)
        {
            // The node is stopping.
        }
    }

    private void ChangeContents(HashSet<Multihash> lost)
    {
        foreach (ContentRecord content in _store.Contents.Enumerate())
        {
            if (!content.Complete)
            {
                continue;
            }

            using GcLease lease = _store.LeaseDag(content.Root);
            if (!DagVerify.Reaches(_store.Blocks, content.Root, lost, _stopping.Token))
            {
                continue;
            }

            if (_catalog.MarkIncomplete(content) is { } changed)
            {
                LogIncomplete(content.Digest);
                if (changed.Owned)
                {
                    _fetch(changed);
                }
            }
        }
    }

    private async Task FetchPinsAsync(HashSet<Multihash> lost)
    {
        foreach (PinRecord pin in _store.Pins.Enumerate())
        {
            using GcLease lease = _store.LeaseDag(pin.Root);
            bool reaches = pin.Recursive
                ? DagVerify.Reaches(_store.Blocks, pin.Root, lost, _stopping.Token)
                : lost.Contains(pin.Root.Hash);
            if (!reaches)
            {
                continue;
            }

            try
            {
                await _fetchPin(pin, _stopping.Token);
            }
            catch (Exception e) when (e is not OperationCanceledException)
            {
                LogPinIncomplete(pin.Root, e.Message);
            }
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "block {Block} is damaged on the disk and was deleted")]
    private partial void LogLost(Multihash block);

    [LoggerMessage(Level = LogLevel.Warning, Message = "content {Digest} is no longer complete: a damaged block was deleted")]
    private partial void LogIncomplete(Digest digest);

    [LoggerMessage(Level = LogLevel.Warning, Message = "pin {Root} is no longer complete: a damaged block was deleted, and {Reason}")]
    private partial void LogPinIncomplete(Cid root, string reason);

    [LoggerMessage(Level = LogLevel.Error, Message = "contents with damaged blocks could not be found: {Reason}")]
    private partial void LogFailed(string reason);
}
