using System.Buffers;
using Ipcs.Bitswap.Wire;
using Ipcs.Blockstore;
using Ipcs.Libp2p;
using Ipcs.Multiformats;

namespace Ipcs.Bitswap;

/// <summary>
/// All that goes to one peer, over one stream that is kept while there is something to say: our wants and cancels, and the answers to
/// its wants. Owns the peer's wantlist. Blocks are read from the store one message ahead and no further.
/// </summary>
internal sealed class PeerLink : IAsyncDisposable
{
    /// <summary>Wants of the peer that wait for a block to arrive here; more are dropped, as every implementation does.</summary>
    private const int MaxWaiting = 1024;

    /// <summary>Answers queued for the peer; it may want as much again after it has been given some.</summary>
    private const int MaxQueued = 16_384;

    /// <summary>Block bytes in one message: large enough to fill the pipe, small enough to be shared fairly.</summary>
    private const int MessageBytes = 1 << 20;

    /// <summary>A HAVE for a block shorter than this is answered with the block, as the others do.</summary>
    private const int InlineLength = 1024;

    private static readonly TimeSpan IdleTime = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan SendTime = TimeSpan.FromSeconds(60);

    private readonly IHost _host;
    private readonly IBlockstore _store;
    private readonly Lock _lock = new();
    private readonly Dictionary<Multihash, WantEntry> _waiting = [];
    private readonly Queue<WantEntry> _answers = new();
    private readonly List<PresenceEntry> _presences = [];
    private readonly Dictionary<Cid, WantEntry> _ours = [];
    private readonly SemaphoreSlim _signal = new(0);
    private readonly CancellationTokenSource _stop = new();
    private readonly Task _loop;
    private readonly Action<PeerId, string> _onFailure;
    private PeerStream? _stream;
    private long _blocksSent;
    private long _bytesSent;

    public PeerLink(IHost host, IBlockstore store, PeerId peer, Action<PeerId, string> onFailure)
    {
        _host = host;
        _store = store;
        _onFailure = onFailure;
        Peer = peer;
        _loop = Task.Run(RunAsync);
    }

    /// <summary>Whom it goes to.</summary>
    public PeerId Peer { get; }

    /// <summary>Blocks sent so far.</summary>
    public long BlocksSent => Interlocked.Read(ref _blocksSent);

    /// <summary>Bytes of them.</summary>
    public long BytesSent => Interlocked.Read(ref _bytesSent);

    /// <summary>Queues a want or a cancel of ours; the latest word on a CID counts.</summary>
    public void Send(WantEntry entry)
    {
        lock (_lock)
        {
            _ours[entry.Cid] = entry;
        }

        _signal.Release();
    }

    /// <summary>Takes the peer's wants.</summary>
    public void Take(BitswapMessage message)
    {
        lock (_lock)
        {
            if (message.Full)
            {
                _waiting.Clear();
            }
        }

        foreach (WantEntry want in message.Wants)
        {
            Take(want);
        }

        _signal.Release();
    }

    /// <summary>A block has come: if the peer waits for it, it is answered.</summary>
    public void BlockArrived(in Multihash hash)
    {
        lock (_lock)
        {
            if (!_waiting.Remove(hash, out WantEntry want) || _answers.Count >= MaxQueued)
            {
                return;
            }

            Answer(want);
        }

        _signal.Release();
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _loop.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    private void Take(WantEntry want)
    {
        Multihash hash = want.Cid.Hash;
        if (want.Cancel)
        {
            lock (_lock)
            {
                _waiting.Remove(hash);
            }

            return;
        }

        // Looked up before the lock is taken: the store may read a disk.
        bool here = _store.Has(hash);
        lock (_lock)
        {
            if (here)
            {
                if (_answers.Count < MaxQueued)
                {
                    Answer(want);
                }
            }
            else
            {
                if (want.SendDontHave && _presences.Count < MaxQueued)
                {
                    _presences.Add(new PresenceEntry(want.Cid, Have: false));
                }

                if (_waiting.Count < MaxWaiting)
                {
                    _waiting[hash] = want;
                }
            }
        }
    }

    private void Answer(WantEntry want)
    {
        if (want.WantHave && _store.TryGetLength(want.Cid.Hash, out int length) && length >= InlineLength)
        {
            _presences.Add(new PresenceEntry(want.Cid, Have: true));
        }
        else
        {
            _answers.Enqueue(want with { WantHave = false });
        }
    }

    private async Task RunAsync()
    {
        try
        {
            while (true)
            {
                bool woken = await _signal.WaitAsync(IdleTime, _stop.Token);
                if (!woken)
                {
                    await CloseStreamAsync();
                    await _signal.WaitAsync(_stop.Token);
                }

                while (Collect(out BitswapMessage message, out List<IMemoryOwner<byte>> blocks))
                {
                    try
                    {
                        await SendAsync(message);
                    }
                    finally
                    {
                        blocks.ForEach(b => b.Dispose());
                    }
                }
            }
        }
        catch (OperationCanceledException) when (_stop.IsCancellationRequested)
        {
            // The peer is gone or we stop.
        }
        catch (Exception e)
        {
            // What could not be sent is lost; whoever keeps the link decides what that means.
            _onFailure(Peer, e.Message);
        }
        finally
        {
            await CloseStreamAsync();
        }
    }

    /// <summary>The next message: all that is small, and blocks up to the bound.</summary>
    private bool Collect(out BitswapMessage message, out List<IMemoryOwner<byte>> blocks)
    {
        message = new BitswapMessage();
        blocks = [];
        lock (_lock)
        {
            message.Wants.AddRange(_ours.Values.Take(BitswapMessage.MaxEntries));
            foreach (WantEntry want in message.Wants)
            {
                _ours.Remove(want.Cid);
            }

            int n = Math.Min(_presences.Count, BitswapMessage.MaxEntries);
            message.Presences.AddRange(_presences.GetRange(0, n));
            _presences.RemoveRange(0, n);
        }

        int bytes = 0;
        while (bytes < MessageBytes && TryDequeue(out WantEntry want))
        {
            Cid cid = want.Cid;
            if (_store.Get(cid.Hash) is { } block)
            {
                blocks.Add(block);
                bytes += block.Memory.Length;
                message.Blocks.Add(new BlockEntry(cid.Version, cid.Codec, cid.Hash.Code, block.Memory));
            }
            else if (want.SendDontHave)
            {
                message.Presences.Add(new PresenceEntry(cid, Have: false));
            }
        }

        return message.Wants.Count + message.Presences.Count + message.Blocks.Count > 0;
    }

    private bool TryDequeue(out WantEntry want)
    {
        lock (_lock)
        {
            return _answers.TryDequeue(out want);
        }
    }

    private async Task SendAsync(BitswapMessage message)
    {
        byte[] encoded = message.Encode();
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(_stop.Token);
        limit.CancelAfter(SendTime);
        if (_stream is not null)
        {
            try
            {
                await _stream.WriteMessageAsync(encoded, limit.Token);
                Count(message);
                return;
            }
            catch (StreamResetException)
            {
                // The peer closed the stream while it was idle: a new one is tried once.
                await CloseStreamAsync();
            }
        }

        _stream = await _host.OpenStreamAsync(Peer, BitswapService.Protocols, limit.Token);
        await _stream.WriteMessageAsync(encoded, limit.Token);
        Count(message);
    }

    private void Count(BitswapMessage message)
    {
        foreach (BlockEntry block in message.Blocks)
        {
            Interlocked.Increment(ref _blocksSent);
            Interlocked.Add(ref _bytesSent, block.Data.Length);
        }
    }

    private async Task CloseStreamAsync()
    {
        if (_stream is { } stream)
        {
            _stream = null;
            await stream.DisposeAsync();
        }
    }
}
