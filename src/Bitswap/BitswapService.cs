using System.Collections.Concurrent;
using Ipcs.Bitswap.Client;
using Ipcs.Bitswap.Server;
using Ipcs.Bitswap.Wire;
using Ipcs.Blockstore;
using Ipcs.Libp2p;
using Ipcs.Multiformats;
using Microsoft.Extensions.Logging;

namespace Ipcs.Bitswap;

/// <summary>
/// Bitswap on one host: takes messages, serves the store, and fetches for sessions. Owns a link per peer, the wants and the list of banned peers.
/// </summary>
public sealed partial class BitswapService : IAsyncDisposable
{
    /// <summary>Bitswap 1.2.0 with packed blocks: docs/protocols/packed.md.</summary>
    internal const string PackedProtocol = "/ipcs/bitswap/1.0.0";

    /// <summary>The version that says HAVE and DONT_HAVE.</summary>
    internal const string HaveProtocol = "/ipfs/bitswap/1.2.0";

    /// <summary>The version whose blocks have no prefix.</summary>
    internal const string BareProtocol = "/ipfs/bitswap/1.0.0";

    /// <summary>The versions spoken, the best first.</summary>
    internal static readonly string[] Protocols = [PackedProtocol, HaveProtocol, "/ipfs/bitswap/1.1.0", BareProtocol];

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
    private readonly ConcurrentDictionary<PeerId, PeerMessageQueue> _links = new();
    private readonly ConcurrentDictionary<PeerId, DateTimeOffset> _banned = new();
    private readonly ConcurrentDictionary<PeerId, int> _streams = new();
    private readonly SemaphoreSlim _storing = new(Storing, Storing);
    private readonly Lock _linking = new();
    private readonly Engine _engine;
    private readonly WantManager _wants;
    private readonly BlockReceiver _intake;
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
        _intake = new BlockReceiver(store, _wants, options.IsLeaf, (hash, length) => Announce(hash, length));
        host.PeerDisconnected += OnDisconnected;
        host.PeerIdentified += OnIdentified;
        foreach (string protocol in Protocols)
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
        _intake.Blocks,
        _intake.Bytes,
        _intake.Packed,
        _intake.DuplicateBlocks,
        _intake.DuplicateBytes,
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
    public IReadOnlyList<Cid> WantlistOf(PeerId peer) => _links.TryGetValue(peer, out PeerMessageQueue? link) ? link.Wants.Wanted() : [];

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
        foreach (PeerMessageQueue link in _links.Values)
        {
            await link.DisposeAsync();
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
            PeerMessageQueue link = Link(peer);
            if (link.Queue(entry))
            {
                waiting.Add(link);
            }
        }

        waiting.ForEach(l => l.Wake());
    }

    private PeerMessageQueue Link(PeerId peer)
    {
        if (_links.TryGetValue(peer, out PeerMessageQueue? link))
        {
            return link;
        }

        // A link has a loop of its own: none may be made and thrown away.
        lock (_linking)
        {
            return _links.GetOrAdd(peer, p => new PeerMessageQueue(_engine, p, OnLinkFailed));
        }
    }

    private void OnLinkFailed(PeerMessageQueue link, string reason)
    {
        LogLinkFailed(link.Peer, reason);
        _links.TryRemove(new KeyValuePair<PeerId, PeerMessageQueue>(link.Peer, link));

        // What it was asked may be lost: as if it had gone and come back.
        _wants.PeerGone(link.Peer);
        _ = ReviveAsync(link.Peer);
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
        if (_links.TryRemove(peer, out PeerMessageQueue? link))
        {
            _ = link.DisposeAsync().AsTask();
        }
    }

    private void OnIdentified(PeerInfo peer)
    {
        if (IsBanned(peer.Peer))
        {
            _ = _host.DisconnectAsync(peer.Peer).AsTask();
        }
        else if (Protocols.Any(peer.Protocols.Contains))
        {
            _wants.PeerCame(peer.Peer, saysHave: peer.Protocols.Contains(HaveProtocol) || peer.Protocols.Contains(PackedProtocol));
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
            Link(peer).Take(message);
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
            void Take() => _engine.LedgerOf(peer).AddReceived(_intake.Take(peer, message));
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
        foreach ((_, PeerMessageQueue link) in _links)
        {
            link.BlockArrived(hash, length);
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Peer} is banned: {Reason}")]
    private partial void LogBanned(PeerId peer, string reason);

    [LoggerMessage(Level = LogLevel.Debug, Message = "sending to {Peer} failed: {Reason}")]
    private partial void LogLinkFailed(PeerId peer, string reason);
}
