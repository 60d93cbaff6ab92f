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
/// Sends everything that goes to one peer, over one stream that stays open while there is something to send: this node's wants and cancels,
/// and the answers to the peer's wants. The blocks of one message at a time are read from the store.
/// </summary>
internal sealed class PeerMessageQueue : IAsyncDisposable
{
    /// <summary>
    /// Block bytes in the first message; the next ones have as many as the connection takes in <see cref="MessageTime"/>.
    /// </summary>
    private const int FirstMessage = 512 << 10;

    /// <summary>The least block bytes in a message.</summary>
    private const int MinMessage = 64 << 10;

    /// <summary>The most block bytes in a message before its last block: the longest block still fits.</summary>
    private const int MaxMessage = BitswapMessage.MaxLength - (2 << 20) - (256 << 10);

    /// <summary>The most decompressed bytes of a message before its last block.</summary>
    private const int MaxDecompressed = BitswapMessage.MaxDecompressed - IBlockstore.MaxBlockLength;

    /// <summary>The most blocks in a message: their prefixes and lengths fit beside <see cref="MaxMessage"/>.</summary>
    private const int MaxBlocks = 1024;

    /// <summary>The most wants and the most presences in a message, 128 KB of each: they are sent before the blocks.</summary>
    private const int MaxEntries = 2048;

    /// <summary>How long sending a message should take at most: the peer uses a message's first block only when it has all of it.</summary>
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
    private readonly ITimer _idle;
    private PeerStream? _stream;
    private int _messageBytes = FirstMessage;
    private volatile bool _isIdle;

    public PeerMessageQueue(Engine engine, PeerId peer, Action<PeerMessageQueue, string> onFailure)
    {
        _engine = engine;
        _onFailure = onFailure;
        _ledger = engine.LedgerOf(peer);
        _flow = new UploadFlow(Wake);
        _idle = engine.Time.CreateTimer(_ => OnIdle(), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        Peer = peer;
        Wants = new PeerWantlist(engine.TryGetLength, engine.Waiting, Wake);
        _loop = Task.Run(RunAsync);
    }

    /// <summary>The peer to which the messages go.</summary>
    public PeerId Peer { get; }

    /// <summary>The blocks that the peer wants from this node.</summary>
    public PeerWantlist Wants { get; }

    /// <summary>
    /// Queues a want or a cancel of this node; of several for one block only the last is sent. Returns true when the queue was empty: the
    /// caller then calls <see cref="Wake"/> once it has queued the other entries of the message.
    /// </summary>
    public bool Queue(WantEntry entry)
    {
        lock (_lock)
        {
            _ours[entry.Cid] = entry;
            return _ours.Count == 1;
        }
    }

    /// <summary>Wakes the sender, because there is something to send.</summary>
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
                // Another thread has woken the sender in the meantime.
            }
        }
    }

    /// <summary>Takes the wants of a message from the peer.</summary>
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

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        Wants.Close();
        await _stop.CancelAsync();
        await _loop.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await _idle.DisposeAsync();
    }

    private void OnIdle()
    {
        _isIdle = true;
        Wake();
    }

    private async Task RunAsync()
    {
        try
        {
            while (true)
            {
                _idle.Change(IdleTime, Timeout.InfiniteTimeSpan);
                await _signal.WaitAsync(_stop.Token);
                if (_isIdle)
                {
                    // When there is something to send after all, a new stream is opened.
                    _isIdle = false;
                    await CloseStreamAsync();
                }

                while (await SendNextAsync())
                {
                    // Sends until the queue is empty.
                }
            }
        }
        catch (OperationCanceledException) when (_stop.IsCancellationRequested)
        {
            // The peer has disconnected or the service is stopping.
        }
        catch (Exception e)
        {
            // The unsent messages are lost; the owner of the queue handles that.
            _onFailure(this, e.Message);
        }
        finally
        {
            Wants.Close();
            _engine.Upload.Leave(_flow);
            await CloseStreamAsync();
        }
    }

    private async Task<bool> SendNextAsync()
    {
        var message = new BitswapMessage();
        TakeEntries(message);
        List<IMemoryOwner<byte>> blocks = [];
        int most = Math.Min(_messageBytes, Math.Max(_engine.Upload.MessageBytes, MinMessage));
        try
        {
            int bytes = MaySendBlocks(message, most) ? await TakeBlocksAsync(message, blocks, most) : 0;
            if (message.IsEmpty)
            {
                return false;
            }

            long start = _engine.Time.GetTimestamp();
            await SendAsync(message);
            if (bytes > 0)
            {
                _ledger.AddSent(message.Blocks.Count, bytes);
                Resize(bytes, _engine.Time.GetElapsedTime(start));
            }

            return true;
        }
        finally
        {
            blocks.ForEach(b => b.Dispose());
        }
    }

    /// <summary>Under an upload rate, wants and presences are sent in messages of their own, and blocks when the rate allows it.</summary>
    private bool MaySendBlocks(BitswapMessage message, int bytes) =>
        !_engine.Upload.IsOn || (message.IsEmpty && Wants.HasNext && _engine.Upload.TryTake(_flow, bytes));

    /// <summary>Moves this node's wants and the presences for the peer into a message.</summary>
    private void TakeEntries(BitswapMessage message)
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

    /// <summary>Reads blocks for a message, up to its size. Only this waits for a read slot: wants and presences do not.</summary>
    private async ValueTask<int> TakeBlocksAsync(BitswapMessage message, List<IMemoryOwner<byte>> blocks, int most)
    {
        if (!Wants.TryNext(out WantEntry want))
        {
            _engine.Upload.Settle(_flow, 0);
            return 0;
        }

        bool compresses = await TakesCompressedAsync();
        await _engine.ReadSlots.WaitAsync(_stop.Token);
        try
        {
            int bytes = 0, decompressed = 0;
            do
            {
                Cid cid = want.Cid;
                if (_engine.TryRead(cid, compresses, out bool compressed) is { } block)
                {
                    blocks.Add(block);
                    bytes += block.Memory.Length;
                    decompressed += compressed && CompressedBlock.TryGetLength(block.Memory.Span, out int length) ? length : 0;
                    message.Blocks.Add(new BlockEntry(cid.Version, cid.Codec, cid.Hash.Code, block.Memory, compressed));
                }
                else if (want.SendDontHave)
                {
                    message.Presences.Add(new PresenceEntry(cid, Have: false));
                }
            }
            while (bytes < most && decompressed < MaxDecompressed && blocks.Count < MaxBlocks && Wants.TryNext(out want));

            _engine.Upload.Settle(_flow, bytes);
            return bytes;
        }
        finally
        {
            _engine.ReadSlots.Release();
        }
    }

    /// <summary>
    /// Adapts the message size to the connection: the mean of the last size and of what the connection would have taken in
    /// <see cref="MessageTime"/>.
    /// </summary>
    private void Resize(int bytes, TimeSpan took)
    {
        double fitting = bytes * (MessageTime / (took > TimeSpan.Zero ? took : TimeSpan.FromTicks(1)));
        _messageBytes = (int)Math.Clamp((_messageBytes + Math.Min(fitting, 4.0 * _messageBytes)) / 2, MinMessage, MaxMessage);
        Debug.Assert(_messageBytes is >= MinMessage and <= MaxMessage, "a message has room for one block of any length");
    }

    private async Task SendAsync(BitswapMessage message)
    {
        using var limit = new Deadline(_engine.Time, SendTime, _stop.Token);
        if (_stream is not null)
        {
            try
            {
                await WriteAsync(_stream, message, limit.Token);
                return;
            }
            catch (StreamResetException)
            {
                // The peer has closed the stream while it was idle: one new stream is tried.
                await CloseStreamAsync();
            }
        }

        _stream = await OpenAsync(limit.Token);
        if (_stream.Protocol != BitswapProtocols.Compressed && message.Blocks.Exists(b => b.Compressed))
        {
            throw new IOException("the peer no longer accepts compressed blocks");
        }

        await WriteAsync(_stream, message, limit.Token);
    }

    /// <summary>
    /// True when the peer accepts compressed blocks. The protocol of the stream decides, so one is opened when there is none.
    /// </summary>
    private async ValueTask<bool> TakesCompressedAsync()
    {
        if (_stream is null)
        {
            using var limit = new Deadline(_engine.Time, SendTime, _stop.Token);
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
