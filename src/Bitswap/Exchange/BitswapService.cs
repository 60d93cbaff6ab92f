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
    /// <summary>Streams that a peer may have open to us: one is what it needs, some open one per message.</summary>
    private const int MaxStreams = 32;

    /// <summary>Pieces with blocks that are being checked and stored at a time: what the cores do, and one for each to wait for the disk. The streams wait.</summary>
    private static readonly int Storing = Math.Max(4, 2 * Environment.ProcessorCount);

    /// <summary>Pieces of one stream's messages that wait for the store, or are in it, while the next is read into its own memory instead of the stream's queue.</summary>
    private const int Ahead = 2;

    /// <summary>The maximum number of banned peers. Over that the ban that ends first is lifted.</summary>
    private const int MaxBanned = 4096;

    /// <summary>How long a connected peer to whom nothing could be sent is left alone.</summary>
    private static readonly TimeSpan ReviveTime = TimeSpan.FromMilliseconds(500);

    private readonly IHost _host;
    private readonly IBlockstore _store;
    private readonly BitswapOptions _options;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly ConcurrentDictionary<PeerId, PeerMessageQueue> _queues = new();
    private readonly ConcurrentDictionary<PeerId, DateTimeOffset> _banned = new();
    private readonly ConcurrentDictionary<PeerId, int> _streams = new();
    private readonly SemaphoreSlim _storing = new(Storing, Storing);
    private readonly Lock _creating = new();
    private readonly Engine _engine;
    private readonly WantManager _wants;
    private readonly BlockReceiver _receiver;
    private readonly BitswapMeter _meter;
    private long _messagesReceived;

    /// <summary>Begins to serve and to fetch.</summary>
    public BitswapService(IHost host, IBlockstore store, BitswapOptions options, ILogger logger, TimeProvider? time = null)
    {
        _host = host;
        _store = store;
        _options = options;
        _logger = logger;
        _time = time ?? TimeProvider.System;
        _engine = new Engine(host, store, options, _time);
        _meter = new BitswapMeter(() => Statistics);
        _wants = new WantManager(host.LocalPeer, store, options, Send, _meter, _time);
        _receiver = new BlockReceiver(store, _wants, options.IsLeaf, (hash, length) => Announce(hash, length));
        host.PeerDisconnected += OnDisconnected;
        host.PeerIdentified += OnIdentified;
        foreach (string protocol in BitswapProtocols.All)
        {
            host.Handle(protocol, TakeStreamAsync);
        }

        foreach (PeerInfo peer in host.Peers)
        {
            OnIdentified(peer);
        }
    }

    /// <summary>What has been done so far.</summary>
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

    /// <summary>A session over the peers that have the whole of a content; over all connected ones when none is given.</summary>
    public BitswapSession CreateSession(IReadOnlyCollection<PeerId> peers)
    {
        var session = new BitswapSession(_store, _wants, peers.Count == 0 ? PeerScope.Connected : PeerScope.Named);
        foreach (PeerId peer in peers)
        {
            session.AddPeer(peer, PeerAvailability.Complete);
        }

        return session;
    }

    /// <summary>A session that asks only those of whom it is told.</summary>
    public BitswapSession CreateSession() => new(_store, _wants, PeerScope.Named);

    /// <summary>What this node wants now.</summary>
    public IReadOnlyList<Cid> Wantlist() => _wants.Wanted();

    /// <summary>What a peer wants of this node now.</summary>
    public IReadOnlyList<Cid> WantlistOf(PeerId peer) => _queues.TryGetValue(peer, out PeerMessageQueue? queue) ? queue.Wants.Wanted() : [];

    /// <summary>What has gone to and come from a peer; null when nothing has.</summary>
    public Ledger? LedgerOf(PeerId peer) => _engine.FindLedger(peer);

    /// <summary>Tells peers that wait for a block that it is here now; for blocks that did not come by Bitswap.</summary>
    public void BlockArrived(in Multihash hash)
    {
        if (_store.TryGetLength(hash, out int length))
        {
            _wants.Received(hash);
            Announce(hash, length);
        }
    }

    /// <summary>Disconnects a peer that lied or sent false bytes, and refuses it for a while.</summary>
    public async Task BanAsync(PeerId peer, string reason)
    {
        LogBanned(peer, reason);
        if (_banned.Count >= MaxBanned)
        {
            _banned.TryRemove(_banned.MinBy(b => b.Value).Key, out _);
        }

        _banned[peer] = _time.GetUtcNow() + _options.BanTime;
        _wants.PeerGone(peer);
        await _host.DisconnectAsync(peer);
    }

    /// <summary>True while a peer is refused.</summary>
    public bool IsBanned(PeerId peer)
    {
        if (!_banned.TryGetValue(peer, out DateTimeOffset until))
        {
            return false;
        }

        if (_time.GetUtcNow() < until)
        {
            return true;
        }

        _banned.TryRemove(peer, out _);
        return false;
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        _host.PeerDisconnected -= OnDisconnected;
        _host.PeerIdentified -= OnIdentified;
        await _wants.DisposeAsync();
        foreach (PeerMessageQueue queue in _queues.Values)
        {
            await queue.DisposeAsync();
        }

        _engine.Dispose();
        _meter.Dispose();
    }

    /// <summary>What goes to one peer at a time goes in one message, as far as that is full.</summary>
    private void Send(IReadOnlyList<(PeerId Peer, WantEntry Entry)> outbox)
    {
        var waiting = new List<PeerMessageQueue>();
        foreach ((PeerId peer, WantEntry entry) in outbox)
        {
            PeerMessageQueue queue = QueueOf(peer);
            if (queue.Queue(entry))
            {
                waiting.Add(queue);
            }
        }

        waiting.ForEach(l => l.Wake());
    }

    private PeerMessageQueue QueueOf(PeerId peer)
    {
        if (_queues.TryGetValue(peer, out PeerMessageQueue? queue))
        {
            return queue;
        }

        // A queue has a loop of its own: none may be made and thrown away.
        lock (_creating)
        {
            return _queues.GetOrAdd(peer, p => new PeerMessageQueue(_engine, p, OnQueueFailed));
        }
    }

    private void OnQueueFailed(PeerMessageQueue queue, string reason)
    {
        LogSendFailed(queue.Peer, reason);
        _queues.TryRemove(new KeyValuePair<PeerId, PeerMessageQueue>(queue.Peer, queue));

        // What it was asked may be lost: as if it had gone and come back.
        _wants.PeerGone(queue.Peer);
        _ = ReviveAsync(queue.Peer);
    }

    private async Task ReviveAsync(PeerId peer)
    {
        await Task.Delay(ReviveTime, _time);
        if (_host.Peers.FirstOrDefault(p => p.Peer == peer) is { } still)
        {
            OnIdentified(still);
        }
    }

    private void OnDisconnected(PeerId peer)
    {
        _wants.PeerGone(peer);
        if (_queues.TryRemove(peer, out PeerMessageQueue? queue))
        {
            _ = queue.DisposeAsync().AsTask();
        }
    }

    private void OnIdentified(PeerInfo peer)
    {
        if (IsBanned(peer.Peer))
        {
            _ = _host.DisconnectAsync(peer.Peer).AsTask();
        }
        else if (BitswapProtocols.All.Any(peer.Protocols.Contains))
        {
            _wants.PeerCame(peer.Peer, saysHave: peer.Protocols.Contains(BitswapProtocols.Have) || peer.Protocols.Contains(BitswapProtocols.Compressed));
        }
    }

    private async Task TakeStreamAsync(PeerStream stream, CancellationToken cancellationToken)
    {
        PeerId peer = stream.RemotePeer;
        if (_streams.AddOrUpdate(peer, 1, (_, n) => n + 1) > MaxStreams || IsBanned(peer))
        {
            Leave(peer);
            throw new InvalidDataException($"{peer} has {MaxStreams} streams open, or is banned");
        }

        try
        {
            await TakeMessagesAsync(stream, cancellationToken);
        }
        catch (InvalidDataException e)
        {
            await BanAsync(peer, e.Message);
        }
        finally
        {
            Leave(peer);
        }
    }

    /// <summary>Checks and stores the blocks of some pieces while the next one is read.</summary>
    private async Task TakeMessagesAsync(PeerStream stream, CancellationToken cancellationToken)
    {
        var reader = new MessageReader(stream);
        using var room = new SemaphoreSlim(Ahead, Ahead);
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

                    TakeSmall(stream.RemotePeer, piece.Message);
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

    private void Leave(PeerId peer)
    {
        if (_streams.AddOrUpdate(peer, 0, (_, n) => n - 1) <= 0)
        {
            _streams.TryRemove(new KeyValuePair<PeerId, int>(peer, 0));
        }
    }

    private void TakeSmall(PeerId peer, BitswapMessage message)
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

    /// <summary>Owns the piece. Beside those before, which it ends after, and fails when one of them has.</summary>
    private async Task StoreAsync(Task before, PeerId peer, MessageReader.Piece piece, SemaphoreSlim room, CancellationToken cancellationToken)
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
        await _storing.WaitAsync(cancellationToken);
        try
        {
            void Take() => _engine.LedgerOf(peer).AddReceived(_receiver.Take(peer, message));
            await Task.Factory.StartNew(Take, CancellationToken.None, TaskCreationOptions.None, _options.Work);
        }
        catch (InvalidDataException e)
        {
            // Now, and not when the next message comes.
            await BanAsync(peer, e.Message);
            throw;
        }
        finally
        {
            _storing.Release();
        }
    }

    private void Announce(in Multihash hash, int length)
    {
        foreach ((_, PeerMessageQueue queue) in _queues)
        {
            queue.BlockArrived(hash, length);
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Peer} is banned: {Reason}")]
    private partial void LogBanned(PeerId peer, string reason);

    [LoggerMessage(Level = LogLevel.Debug, Message = "sending to {Peer} failed: {Reason}")]
    private partial void LogSendFailed(PeerId peer, string reason);
}
