using System.Collections.Concurrent;
using System.Threading.Channels;
using Ipcs.Bitswap.Client;
using Ipcs.Bitswap.Server;
using Ipcs.Bitswap.Wire;
using Ipcs.Blockstore;
using Ipcs.Libp2p;
using Ipcs.Multiformats;
using Microsoft.Extensions.Logging;

namespace Ipcs.Bitswap.Exchange;

/// <summary>
/// Bitswap on one host: reads messages, serves the store, and fetches for sessions. Owns a message queue per peer, the wants and the bans.
/// </summary>
public sealed partial class BitswapService : IAsyncDisposable
{
    /// <summary>The maximum number of inbound streams per peer: one is enough, but some implementations open one per message.</summary>
    private const int MaxStreams = 32;

    /// <summary>
    /// Message pieces of all streams that wait to be verified and stored. While a stream's reader waits for room, its bytes are copied
    /// into the muxer's receive queue instead of directly into a piece.
    /// </summary>
    private const int MaxQueued = 16;

    /// <summary>Blocks shared with sessions at a time.</summary>
    private const int MaxShared = 16;

    /// <summary>How long after a failed send a connected peer is asked again.</summary>
    private static readonly TimeSpan ReviveTime = TimeSpan.FromMilliseconds(500);

    private readonly IHost _host;
    private readonly IBlockstore _store;
    private readonly ILogger _logger;
    private readonly TimeProvider _time;
    private readonly ConcurrentDictionary<PeerId, PeerMessageQueue> _queues = new();
    private readonly ConcurrentDictionary<PeerId, int> _streams = new();
    private readonly Channel<(PeerStream Stream, MessagePiece Piece)> _received =
        Channel.CreateBounded<(PeerStream, MessagePiece)>(new BoundedChannelOptions(MaxQueued));

    private readonly BlockSharing _sharing = new(MaxShared);
    private readonly Task[] _workers;
    private readonly Lock _creating = new();
    private readonly CancellationTokenSource _stopping = new();
    private readonly TaskTracker _background = new();
    private readonly BanList _bans;
    private readonly Engine _engine;
    private readonly WantManager _wants;
    private readonly BlockReceiver _receiver;
    private readonly BitswapMeter _meter;
    private long _messagesReceived;

    /// <summary>Starts to serve and to fetch, on the host's clock unless another is given.</summary>
    public BitswapService(IHost host, IBlockstore store, BitswapOptions options, ILogger logger, TimeProvider? time = null)
    {
        _time = time ?? host.Time;
        _host = host;
        _store = store;
        _logger = logger;
        _bans = new BanList(_time, options.BanTime);
        _engine = new Engine(host, store, options, _time, LogUnreadable);
        _meter = new BitswapMeter(() => Statistics);
        _wants = new WantManager(host.LocalPeer, store, options, Send, () => _received.Reader.Count == MaxQueued, _meter, _time);
        _receiver = new BlockReceiver(store, _wants, options.IsLeaf, (hash, length) => _engine.Waiting.BlockArrived(hash, length));
        _workers = [.. Enumerable.Range(0, Environment.ProcessorCount).Select(_ => Task.Factory
            .StartNew(WorkAsync, CancellationToken.None, TaskCreationOptions.None, options.Work).Unwrap())];
        host.PeerDisconnected += OnDisconnected;
        host.PeerIdentified += OnIdentified;
        foreach (string protocol in BitswapProtocols.All)
        {
            host.Handle(protocol, ReadStreamAsync);
        }

        foreach (PeerInfo peer in host.Peers)
        {
            OnIdentified(peer);
        }
    }

    /// <summary>The counters since the start.</summary>
    public BitswapStatistics Statistics => new(
        _receiver.Blocks,
        _receiver.Bytes,
        _receiver.Compressed,
        _receiver.DuplicateBlocks,
        _receiver.DuplicateBytes,
        _engine.BlocksSent,
        _engine.BytesSent,
        _engine.UnreadableBlocks,
        Interlocked.Read(ref _messagesReceived),
        _wants.Count,
        _wants.Peers);

    /// <summary>Creates a session over peers that have a content completely; over all connected peers when none is given.</summary>
    public BitswapSession CreateSession(IReadOnlyCollection<PeerId> peers)
    {
        var session = new BitswapSession(_store, _wants, peers.Count == 0 ? PeerScope.Connected : PeerScope.Named);
        foreach (PeerId peer in peers)
        {
            session.AddPeer(peer, PeerAvailability.Complete);
        }

        return session;
    }

    /// <summary>
    /// Creates a session that asks only the peers that are added to it. Its prefetch results have the blocks that are still in memory.
    /// </summary>
    /// <param name="patience">
    /// How long the peers may send less than a fair rate (64 KiB/s) before a prefetched block fails; null to wait as long as blocks come at
    /// any rate.
    /// </param>
    public BitswapSession CreateSession(TimeSpan? patience = null) => new(_store, _wants, PeerScope.Named, _sharing)
    {
        Patience = (long?)patience?.TotalMicroseconds,
    };

    /// <summary>The blocks that this node wants.</summary>
    public IReadOnlyList<Cid> Wantlist() => _wants.Wanted();

    /// <summary>The blocks that a peer wants of this node.</summary>
    public IReadOnlyList<Cid> WantlistOf(PeerId peer) => _queues.TryGetValue(peer, out PeerMessageQueue? queue) ? queue.Wants.Wanted() : [];

    /// <summary>The bytes exchanged with a peer; null when nothing has been exchanged.</summary>
    public Ledger? LedgerOf(PeerId peer) => _engine.FindLedger(peer);

    /// <summary>
    /// Completes the wants for a block that was stored otherwise than by Bitswap, and serves it to the peers that wait for it.
    /// </summary>
    public void BlockArrived(in Multihash hash)
    {
        if (_store.TryGetLength(hash, out int length))
        {
            _wants.Received(hash);
            _engine.Waiting.BlockArrived(hash, length);
        }
    }

    /// <summary>
    /// Disconnects a peer that sent false blocks or a false record, and refuses it for <see cref="BitswapOptions.BanTime"/>.
    /// </summary>
    public async Task BanAsync(PeerId peer, string reason)
    {
        LogBanned(peer, reason);
        _bans.Add(peer);
        _wants.PeerGone(peer);
        await _host.DisconnectAsync(peer);
    }

    /// <summary>True while a peer is banned.</summary>
    public bool IsBanned(PeerId peer) => _bans.Contains(peer);

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        _host.PeerDisconnected -= OnDisconnected;
        _host.PeerIdentified -= OnIdentified;
        await _stopping.CancelAsync();
        _received.Writer.Complete();
        await Task.WhenAll(_workers);
        await _wants.DisposeAsync();
        foreach (PeerMessageQueue queue in _queues.Values)
        {
            await queue.DisposeAsync();
        }

        await _background.WhenAllAsync();
        _engine.Dispose();
        _meter.Dispose();
    }

    /// <summary>Queues wants and cancels per peer, and then wakes each queue once, so that they go out in one message per peer.</summary>
    private void Send(IReadOnlyList<(PeerId Peer, WantEntry Entry)> outbox)
    {
        var woken = new List<PeerMessageQueue>();
        foreach ((PeerId peer, WantEntry entry) in outbox)
        {
            PeerMessageQueue queue = QueueOf(peer);
            if (queue.Queue(entry))
            {
                woken.Add(queue);
            }
        }

        woken.ForEach(q => q.Wake());
    }

    private PeerMessageQueue QueueOf(PeerId peer)
    {
        if (_queues.TryGetValue(peer, out PeerMessageQueue? queue))
        {
            return queue;
        }

        // A queue starts a task when it is created, so none may be created in vain.
        lock (_creating)
        {
            return _queues.GetOrAdd(peer, p => new PeerMessageQueue(_engine, p, OnSendFailed));
        }
    }

    private void OnSendFailed(PeerMessageQueue queue, string reason)
    {
        LogSendFailed(queue.Peer, reason);
        _queues.TryRemove(new KeyValuePair<PeerId, PeerMessageQueue>(queue.Peer, queue));

        // Its requests may be lost: the peer is handled as if it had disconnected and connected again.
        _wants.PeerGone(queue.Peer);
        _background.Add(queue.DisposeAsync().AsTask());
        _background.Add(ReviveAsync(queue.Peer));
    }

    private async Task ReviveAsync(PeerId peer)
    {
        await Task.Delay(ReviveTime, _time, _stopping.Token);
        if (_host.Peers.FirstOrDefault(p => p.Peer == peer) is { } connected)
        {
            OnIdentified(connected);
        }
    }

    private void OnDisconnected(PeerId peer)
    {
        _wants.PeerGone(peer);
        _wants.ForgetReceived(peer);
        if (_queues.TryRemove(peer, out PeerMessageQueue? queue))
        {
            _background.Add(queue.DisposeAsync().AsTask());
        }
    }

    private void OnIdentified(PeerInfo peer)
    {
        if (IsBanned(peer.Peer))
        {
            _background.Add(_host.DisconnectAsync(peer.Peer).AsTask());
        }
        else if (BitswapProtocols.All.Any(peer.Protocols.Contains))
        {
            bool saysHave = peer.Protocols.Contains(BitswapProtocols.Have) || peer.Protocols.Contains(BitswapProtocols.Compressed);
            _wants.PeerCame(peer.Peer, saysHave);
        }
    }

    private async Task ReadStreamAsync(PeerStream stream, CancellationToken cancellationToken)
    {
        PeerId peer = stream.RemotePeer;
        if (_streams.AddOrUpdate(peer, 1, (_, n) => n + 1) > MaxStreams || IsBanned(peer))
        {
            StreamEnded(peer);
            throw new InvalidDataException($"{peer} has {MaxStreams} streams open, or is banned");
        }

        try
        {
            await ReadMessagesAsync(stream, cancellationToken);
        }
        catch (InvalidDataException e)
        {
            await BanAsync(peer, e.Message);
        }
        catch (ChannelClosedException)
        {
            // The service is stopping.
        }
        finally
        {
            StreamEnded(peer);
        }
    }

    /// <summary>
    /// Reads message pieces, and queues those with blocks for the workers. Waits while the queue is full, so that the muxer's flow control
    /// slows the peer down.
    /// </summary>
    private async Task ReadMessagesAsync(PeerStream stream, CancellationToken cancellationToken)
    {
        var reader = new MessageReader(stream, _wants.ReceivedOf(stream.RemotePeer));
        while (await reader.ReadAsync(cancellationToken) is { } piece)
        {
            bool queued = false;
            try
            {
                if (piece.Begins)
                {
                    Interlocked.Increment(ref _messagesReceived);
                }

                TakeEntries(stream.RemotePeer, piece.Message);
                if (piece.Message.Blocks.Count > 0)
                {
                    await _received.Writer.WriteAsync((stream, piece), cancellationToken);
                    queued = true;
                }
            }
            finally
            {
                if (!queued)
                {
                    piece.Dispose();
                }
            }
        }
    }

    private void StreamEnded(PeerId peer)
    {
        if (_streams.AddOrUpdate(peer, 0, (_, n) => n - 1) <= 0)
        {
            _streams.TryRemove(new KeyValuePair<PeerId, int>(peer, 0));
            if (!_host.Peers.Any(p => p.Peer == peer))
            {
                _wants.ForgetReceived(peer);
            }
        }
    }

    private void TakeEntries(PeerId peer, BitswapMessage message)
    {
        if (message.Wants.Count > 0 || message.Full)
        {
            QueueOf(peer).Take(message);
        }

        if (message.Presences.Count > 0)
        {
            _wants.Presences(peer, message.Presences);
        }
    }

    /// <summary>Verifies and stores the blocks of queued pieces, one piece at a time. Runs once per core.</summary>
    private async Task WorkAsync()
    {
        while (await _received.Reader.WaitToReadAsync())
        {
            if (_received.Reader.TryRead(out (PeerStream Stream, MessagePiece Piece) next))
            {
                Store(next.Stream, next.Piece);

                // The readers that check whole contents use the same threads.
                await Task.Yield();
            }
        }
    }

    private void Store(PeerStream stream, MessagePiece piece)
    {
        PeerId peer = stream.RemotePeer;
        try
        {
            _engine.LedgerOf(peer).AddReceived(_receiver.Take(peer, piece.Message, piece));
            _host.Credit(peer);
        }
        catch (InvalidDataException e)
        {
            _background.Add(BanAsync(peer, e.Message));
        }
        catch (Exception e)
        {
            // The blocks are requested again when the peer connects again, or from another peer.
            LogStoreFailed(peer, e.Message);
            stream.Reset();
        }
        finally
        {
            piece.Dispose();
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Peer} is banned: {Reason}")]
    private partial void LogBanned(PeerId peer, string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "blocks from {Peer} could not be stored: {Reason}")]
    private partial void LogStoreFailed(PeerId peer, string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "block {Block} is stored and cannot be read: {Reason}")]
    private partial void LogUnreadable(Cid block, string reason);

    [LoggerMessage(Level = LogLevel.Debug, Message = "sending to {Peer} failed: {Reason}")]
    private partial void LogSendFailed(PeerId peer, string reason);
}
