using System.Buffers;
using System.Diagnostics;
using Ipcs.Bitswap.Server;
using Ipcs.Bitswap.Wire;
using Ipcs.Blockstore;
using Ipcs.Blockstore.Compression;
using Ipcs.Libp2p;
using Ipcs.Multiformats;

namespace Ipcs.Bitswap.Exchange;

/// <summary>
/// All that goes to one peer, over one stream that is kept while there is something to say: our wants and cancels, and the answers to
/// its wants. Blocks are read from the store one message ahead and no further.
/// </summary>
internal sealed class PeerMessageQueue : IAsyncDisposable
{
    /// <summary>Block bytes in the first message; then as many as the queue takes in <see cref="MessageTime"/>.</summary>
    private const int FirstMessage = 512 << 10;

    /// <summary>One block of the usual length at least.</summary>
    private const int LeastMessage = 64 << 10;

    /// <summary>What fits with the greatest block on top.</summary>
    private const int MostMessage = BitswapMessage.MaxLength - (2 << 20) - (256 << 10);

    /// <summary>What is taken with the greatest block on top.</summary>
    private const int MostUnpacked = BitswapMessage.MaxUnpacked - IBlockstore.MaxBlockLength;

    /// <summary>Blocks in one message: what the greatest number of them adds in heads fits in the room that is left.</summary>
    private const int MaxBlocks = 1024;

    /// <summary>Wants and presences in one message, 128 KB of each: what is small goes out before what is large.</summary>
    private const int MaxEntries = 2048;

    /// <summary>A message should take no longer: whoever waits for its first block waits for the whole.</summary>
    private static readonly TimeSpan MessageTime = TimeSpan.FromMilliseconds(60);

    private static readonly TimeSpan IdleTime = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan SendTime = TimeSpan.FromSeconds(60);

    private readonly Engine _engine;
    private readonly Ledger _ledger;
    private readonly Lock _lock = new();
    private readonly OrderedDictionary<Cid, WantEntry> _ours = [];
    private readonly SemaphoreSlim _signal = new(0, 1);
    private readonly CancellationTokenSource _stop = new();
    private readonly Task _loop;
    private readonly Action<PeerMessageQueue, string> _onFailure;
    private readonly UploadFlow _flow;
    private PeerStream? _stream;
    private int _messageBytes = FirstMessage;

    public PeerMessageQueue(Engine engine, PeerId peer, Action<PeerMessageQueue, string> onFailure)
    {
        _engine = engine;
        _onFailure = onFailure;
        _ledger = engine.LedgerOf(peer);
        _flow = new UploadFlow(Wake);
        Peer = peer;
        Wants = new PeerWantlist(engine.Store);
        _loop = Task.Run(RunAsync);
    }

    /// <summary>Whom it goes to.</summary>
    public PeerId Peer { get; }

    /// <summary>What the peer wants of us.</summary>
    public PeerWantlist Wants { get; }

    /// <summary>
    /// Queues a want or a cancel of ours; the latest word on a block counts. True when it is the first one: then <see cref="Wake"/> is to be called once the
    /// others that go with it are queued.
    /// </summary>
    public bool Queue(WantEntry entry)
    {
        lock (_lock)
        {
            _ours[entry.Cid] = entry;
            return _ours.Count == 1;
        }
    }

    /// <summary>There is something to say.</summary>
    public void Wake()
    {
        if (_signal.CurrentCount == 0)
        {
            try
            {
                _signal.Release();
            }
            catch (SemaphoreFullException)
            {
                // Another was quicker, and once is enough.
            }
        }
    }

    /// <summary>Takes the peer's wants.</summary>
    public void Take(BitswapMessage message)
    {
        if (message.Full)
        {
            Wants.Clear();
        }

        bool wake = false;
        foreach (WantEntry want in message.Wants)
        {
            wake |= Wants.Take(want);
        }

        if (wake)
        {
            Wake();
        }
    }

    /// <summary>A block has come: if the peer waits for it, it is answered.</summary>
    public void BlockArrived(in Multihash hash, int length)
    {
        if (Wants.Arrived(hash, length))
        {
            Wake();
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _loop.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
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

                while (await SendNextAsync())
                {
                    // Until there is no more to say.
                }
            }
        }
        catch (OperationCanceledException) when (_stop.IsCancellationRequested)
        {
            // The peer is gone or we stop.
        }
        catch (Exception e)
        {
            // What could not be sent is lost; whoever keeps the queue decides what that means.
            _onFailure(this, e.Message);
        }
        finally
        {
            _engine.Upload.Leave(_flow);
            await CloseStreamAsync();
        }
    }

    private async Task<bool> SendNextAsync()
    {
        var message = new BitswapMessage();
        TakeSmall(message);
        List<IMemoryOwner<byte>> blocks = [];
        int most = Math.Min(_messageBytes, Math.Max(_engine.Upload.MessageBytes, LeastMessage));
        try
        {
            int bytes = MaySendBlocks(message, most) ? await TakeBlocksAsync(message, blocks, most) : 0;
            if (message.IsEmpty)
            {
                return false;
            }

            long start = Stopwatch.GetTimestamp();
            await SendAsync(message);
            if (bytes > 0)
            {
                _ledger.AddSent(message.Blocks.Count, bytes);
                Resize(bytes, Stopwatch.GetElapsedTime(start));
            }

            return true;
        }
        finally
        {
            blocks.ForEach(b => b.Dispose());
        }
    }

    /// <summary>Under an upload rate what is small goes ahead by itself, and blocks go when it is this peer's turn.</summary>
    private bool MaySendBlocks(BitswapMessage message, int bytes) =>
        !_engine.Upload.IsOn || (message.IsEmpty && Wants.HasNext && _engine.Upload.TryTake(_flow, bytes));

    private void TakeSmall(BitswapMessage message)
    {
        lock (_lock)
        {
            if (_ours.Count <= MaxEntries)
            {
                message.Wants.AddRange(_ours.Values);
                _ours.Clear();
            }
            else
            {
                message.Wants.AddRange(_ours.Values.Take(MaxEntries));
                foreach (WantEntry want in message.Wants)
                {
                    _ours.Remove(want.Cid);
                }
            }
        }

        while (message.Presences.Count < MaxEntries && Wants.TryNext(out PresenceEntry presence))
        {
            message.Presences.Add(presence);
        }
    }

    /// <summary>Blocks up to the message's size, in this peer's turn. Wants and presences of ours don't wait for that turn.</summary>
    private async ValueTask<int> TakeBlocksAsync(BitswapMessage message, List<IMemoryOwner<byte>> blocks, int most)
    {
        if (!Wants.TryNext(out WantEntry want))
        {
            _engine.Upload.Settle(_flow, 0);
            return 0;
        }

        bool packs = await TakesPackedAsync();
        await _engine.ReadSlots.WaitAsync(_stop.Token);
        try
        {
            int bytes = 0, unpacked = 0;
            do
            {
                Cid cid = want.Cid;
                IMemoryOwner<byte>? frame = packs ? _engine.Store.GetCompressed(cid.Hash) : null;
                if ((frame ?? _engine.Store.Get(cid.Hash)) is { } block)
                {
                    blocks.Add(block);
                    bytes += block.Memory.Length;
                    unpacked += frame is not null && CompressedBlock.TryGetLength(frame.Memory.Span, out int length) ? length : 0;
                    message.Blocks.Add(new BlockEntry(cid.Version, cid.Codec, cid.Hash.Code, block.Memory, Compressed: frame is not null));
                }
                else if (want.SendDontHave)
                {
                    message.Presences.Add(new PresenceEntry(cid, Have: false));
                }
            }
            while (bytes < most && unpacked < MostUnpacked && blocks.Count < MaxBlocks && Wants.TryNext(out want));

            _engine.Upload.Settle(_flow, bytes);
            return bytes;
        }
        finally
        {
            _engine.ReadSlots.Release();
        }
    }

    /// <summary>Follows the queue: half of the next size is what it took to send this one, and half is what it was.</summary>
    private void Resize(int bytes, TimeSpan took)
    {
        double fitting = bytes * (MessageTime / (took > TimeSpan.Zero ? took : TimeSpan.FromTicks(1)));
        _messageBytes = (int)Math.Clamp((_messageBytes + Math.Min(fitting, 4.0 * _messageBytes)) / 2, LeastMessage, MostMessage);
    }

    private async Task SendAsync(BitswapMessage message)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(_stop.Token);
        limit.CancelAfter(SendTime);
        if (_stream is not null)
        {
            try
            {
                await WriteAsync(_stream, message, limit.Token);
                return;
            }
            catch (StreamResetException)
            {
                // The peer closed the stream while it was idle: a new one is tried once.
                await CloseStreamAsync();
            }
        }

        _stream = await OpenAsync(limit.Token);
        if (_stream.Protocol != BitswapProtocols.Compressed && message.Blocks.Exists(b => b.Compressed))
        {
            throw new IOException("the peer takes packed blocks no more");
        }

        await WriteAsync(_stream, message, limit.Token);
    }

    /// <summary>True when the peer takes packed blocks: the stream says so, and is opened to know.</summary>
    private async ValueTask<bool> TakesPackedAsync()
    {
        if (_stream is null)
        {
            using var limit = CancellationTokenSource.CreateLinkedTokenSource(_stop.Token);
            limit.CancelAfter(SendTime);
            _stream = await OpenAsync(limit.Token);
        }

        return _stream.Protocol == BitswapProtocols.Compressed;
    }

    private ValueTask<PeerStream> OpenAsync(CancellationToken cancellationToken) =>
        _engine.Host.OpenStreamAsync(Peer, BitswapProtocols.All, cancellationToken);

    private static ValueTask WriteAsync(PeerStream stream, BitswapMessage message, CancellationToken cancellationToken) =>
        message.WriteAsync(stream, stream.Protocol == BitswapProtocols.Bare, cancellationToken);

    private async Task CloseStreamAsync()
    {
        if (_stream is { } stream)
        {
            _stream = null;
            await stream.DisposeAsync();
        }
    }
}
