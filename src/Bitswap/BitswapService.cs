using System.Collections.Concurrent;
using Ipcs.Bitswap.Client;
using Ipcs.Bitswap.Wire;
using Ipcs.Blockstore;
using Ipcs.Libp2p;
using Ipcs.Multiformats;
using Microsoft.Extensions.Logging;

namespace Ipcs.Bitswap;

/// <summary>
/// Bitswap on one host: takes messages, serves the store, and fetches for sessions. Owns a link per peer and the wants.
/// </summary>
public sealed partial class BitswapService : IAsyncDisposable
{
    /// <summary>The versions spoken, the newest first.</summary>
    internal static readonly string[] Protocols = ["/ipfs/bitswap/1.2.0", "/ipfs/bitswap/1.1.0", "/ipfs/bitswap/1.0.0"];

    private readonly IHost _host;
    private readonly IBlockstore _store;
    private readonly BitswapOptions _options;
    private readonly ILogger _logger;
    private readonly ConcurrentDictionary<PeerId, PeerLink> _links = new();
    private readonly ConcurrentDictionary<PeerId, DateTimeOffset> _banned = new();
    private readonly WantManager _wants;
    private long _blocksReceived;
    private long _bytesReceived;
    private long _duplicateBlocks;
    private long _duplicateBytes;
    private long _goneBlocksSent;
    private long _goneBytesSent;

    /// <summary>Begins to serve and to fetch.</summary>
    public BitswapService(IHost host, IBlockstore store, BitswapOptions options, ILogger logger)
    {
        _host = host;
        _store = store;
        _options = options;
        _logger = logger;
        _wants = new WantManager(options, Link, () => BitswapPeers(host));
        host.PeerDisconnected += OnDisconnected;
        host.PeerIdentified += OnIdentified;
        foreach (string protocol in Protocols)
        {
            host.Handle(protocol, TakeStreamAsync);
        }
    }

    /// <summary>What has been done so far.</summary>
    public BitswapStatistics Statistics => new(
        Interlocked.Read(ref _blocksReceived),
        Interlocked.Read(ref _bytesReceived),
        Interlocked.Read(ref _duplicateBlocks),
        Interlocked.Read(ref _duplicateBytes),
        Interlocked.Read(ref _goneBlocksSent) + _links.Values.Sum(l => l.BlocksSent),
        Interlocked.Read(ref _goneBytesSent) + _links.Values.Sum(l => l.BytesSent));

    /// <summary>A session over the peers that are thought to have a content; over all connected ones when none is given.</summary>
    public BitswapSession CreateSession(IEnumerable<PeerId> peers) => new(_store, _wants, peers);

    /// <summary>Tells peers that wait for a block that it is here now; for blocks that did not come by Bitswap.</summary>
    public void BlockArrived(in Multihash hash)
    {
        foreach (PeerLink link in _links.Values)
        {
            link.BlockArrived(hash);
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        _host.PeerDisconnected -= OnDisconnected;
        _host.PeerIdentified -= OnIdentified;
        await _wants.DisposeAsync();
        foreach (PeerLink link in _links.Values)
        {
            await link.DisposeAsync();
        }
    }

    private static IReadOnlyCollection<PeerId> BitswapPeers(IHost host) =>
        [.. host.Peers.Where(p => Array.Exists(Protocols, p.Protocols.Contains)).Select(p => p.Peer)];

    private PeerLink Link(PeerId peer) => _links.GetOrAdd(peer, p => new PeerLink(_host, _store, p, OnLinkFailed));

    private void OnLinkFailed(PeerId peer, string reason)
    {
        LogLinkFailed(peer, reason);
        Drop(peer);
    }

    private void OnDisconnected(PeerId peer) => Drop(peer);

    private void OnIdentified(PeerInfo peer)
    {
        if (_banned.TryGetValue(peer.Peer, out DateTimeOffset until))
        {
            if (TimeProvider.System.GetUtcNow() < until)
            {
                _ = _host.DisconnectAsync(peer.Peer).AsTask();
                return;
            }

            _banned.TryRemove(peer.Peer, out _);
        }

        _wants.PeerCame(peer.Peer);
    }

    private void Drop(PeerId peer)
    {
        if (_links.TryRemove(peer, out PeerLink? link))
        {
            Interlocked.Add(ref _goneBlocksSent, link.BlocksSent);
            Interlocked.Add(ref _goneBytesSent, link.BytesSent);
            _ = link.DisposeAsync().AsTask();
        }

        _wants.PeerGone(peer);
    }

    private async Task TakeStreamAsync(PeerStream stream, CancellationToken cancellationToken)
    {
        var reader = new LengthPrefixedReader(stream, BitswapMessage.MaxLength);
        try
        {
            while (await reader.ReadAsync(cancellationToken) is { } memory)
            {
                using (memory)
                {
                    if (!BitswapMessage.TryDecode(memory.Memory, out BitswapMessage? message))
                    {
                        throw new InvalidDataException("a Bitswap message is no protobuf of that kind");
                    }

                    Take(stream.RemotePeer, message!);
                }
            }
        }
        catch (InvalidDataException e)
        {
            await CutOffAsync(stream.RemotePeer, e.Message);
        }
    }

    private void Take(PeerId peer, BitswapMessage message)
    {
        if (message.Wants.Count > 0 || message.Full)
        {
            Link(peer).Take(message);
        }

        foreach (BlockEntry block in message.Blocks)
        {
            TakeBlock(peer, block);
        }

        foreach (PresenceEntry presence in message.Presences)
        {
            _wants.Presence(peer, presence);
        }
    }

    /// <summary>Hashes a block once; what nobody wants is counted and dropped. A false block hashes to what nobody wants.</summary>
    private void TakeBlock(PeerId peer, BlockEntry block)
    {
        if (block.Data.Length > IBlockstore.MaxBlockLength || !Multihash.TryCompute(block.HashCode, block.Data.Span, out Multihash hash))
        {
            throw new InvalidDataException($"a block of {block.Data.Length} bytes with hash 0x{block.HashCode:x} can't be checked");
        }

        switch (_wants.Expects(peer, hash))
        {
            case BlockExpectation.Wanted:
                _store.Put(hash, block.Data.Span);
                Interlocked.Increment(ref _blocksReceived);
                Interlocked.Add(ref _bytesReceived, block.Data.Length);
                _wants.Received(peer, hash);
                BlockArrived(hash);
                break;
            case BlockExpectation.Late:
                Interlocked.Increment(ref _duplicateBlocks);
                Interlocked.Add(ref _duplicateBytes, block.Data.Length);
                break;
            default:
                // We asked it for nothing that hashes so: it sends false blocks.
                throw new InvalidDataException($"a block of {block.Data.Length} bytes hashes to {hash}, which was never asked of this peer");
        }
    }

    private async Task CutOffAsync(PeerId peer, string reason)
    {
        LogCutOff(peer, reason);
        _banned[peer] = TimeProvider.System.GetUtcNow() + _options.BanTime;
        await _host.DisconnectAsync(peer);
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Peer} is cut off: {Reason}")]
    private partial void LogCutOff(PeerId peer, string reason);

    [LoggerMessage(Level = LogLevel.Debug, Message = "sending to {Peer} failed: {Reason}")]
    private partial void LogLinkFailed(PeerId peer, string reason);
}
