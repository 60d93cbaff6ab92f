using System.Collections.Concurrent;
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

    /// <summary>Message pieces of one stream that wait for the store, or are being stored, while the next piece is read.</summary>
    private const int ReadAhead = 2;

    /// <summary>
    /// Message pieces, of all streams, that are verified and stored at a time: one per core, and as many that wait for the disk. The
    /// streams wait for a free slot.
    /// </summary>
    private static readonly int StoreSlotCount = Math.Max(4, 2 * Environment.ProcessorCount);

    /// <summary>How long after a failed send a connected peer is asked again.</summary>
    private static readonly TimeSpan ReviveTime = TimeSpan.FromMilliseconds(500);

    private readonly IHost _host;
    private readonly IBlockstore _store;
    private readonly BitswapOptions _options;
    private readonly ILogger _logger;
    private readonly TimeProvider _time;
    private readonly ConcurrentDictionary<PeerId, PeerMessageQueue> _queues = new();
    private readonly ConcurrentDictionary<PeerId, int> _streams = new();
    private readonly SemaphoreSlim _storeSlots = new(StoreSlotCount, StoreSlotCount);
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
        _options = options;
        _logger = logger;
        _bans = new BanList(_time, options.BanTime);
        _engine = new Engine(host, store, options, _time);
        _meter = new BitswapMeter(() => Statistics);
        _wants = new WantManager(host.LocalPeer, store, options, Send, _meter, _time);
        _receiver = new BlockReceiver(store, _wants, options.IsLeaf, (hash, length) => _engine.Waiting.BlockArrived(hash, length));
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

    /// <summary>Creates a session that asks only the peers that are added to it.</summary>
    public BitswapSession CreateSession() => new(_store, _wants, PeerScope.Named);

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
        finally
        {
            StreamEnded(peer);
        }
    }

    /// <summary>Reads message pieces; while the blocks of some are verified and stored, the next piece is read.</summary>
    private async Task ReadMessagesAsync(PeerStream stream, CancellationToken cancellationToken)
    {
        var reader = new MessageReader(stream);
        using var room = new SemaphoreSlim(ReadAhead, ReadAhead);
        Task storing = Task.CompletedTask;
        try
        {
            while (await reader.ReadAsync(cancellationToken) is { } piece)
            {
                try
                {
                    if (piece.Begins)
                    {
                        Interlocked.Increment(ref _messagesReceived);
                    }

                    TakeEntries(stream.RemotePeer, piece.Message);
                    await room.WaitAsync(cancellationToken);
                    if (storing.IsCompleted)
                    {
                        await storing;
                    }
                }
                catch
                {
                    piece.Dispose();
                    throw;
                }

                storing = StoreAsync(storing, stream.RemotePeer, piece, room, cancellationToken);
            }
        }
        finally
        {
            await storing.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        await storing;
    }

    private void StreamEnded(PeerId peer)
    {
        if (_streams.AddOrUpdate(peer, 0, (_, n) => n - 1) <= 0)
        {
            _streams.TryRemove(new KeyValuePair<PeerId, int>(peer, 0));
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

    /// <summary>
    /// Stores the blocks of a piece and disposes it. Runs beside the tasks of earlier pieces; completes after them, and fails when one of
    /// them has failed.
    /// </summary>
    private async Task StoreAsync(
        Task before, PeerId peer, MessageReader.Piece piece, SemaphoreSlim room, CancellationToken cancellationToken)
    {
        try
        {
            if (piece.Message.Blocks.Count > 0)
            {
                await StoreAsync(peer, piece.Message, cancellationToken);
            }
        }
        finally
        {
            piece.Dispose();
            room.Release();
        }

        await before;
    }

    private async Task StoreAsync(PeerId peer, BitswapMessage message, CancellationToken cancellationToken)
    {
        await _storeSlots.WaitAsync(cancellationToken);
        try
        {
            void Take() => _engine.LedgerOf(peer).AddReceived(_receiver.Take(peer, message));
            await Task.Factory.StartNew(Take, CancellationToken.None, TaskCreationOptions.None, _options.Work);
        }
        catch (InvalidDataException e)
        {
            // At once, since the read loop would notice only with the next message.
            await BanAsync(peer, e.Message);
            throw;
        }
        finally
        {
            _storeSlots.Release();
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Peer} is banned: {Reason}")]
    private partial void LogBanned(PeerId peer, string reason);

    [LoggerMessage(Level = LogLevel.Debug, Message = "sending to {Peer} failed: {Reason}")]
    private partial void LogSendFailed(PeerId peer, string reason);
}
