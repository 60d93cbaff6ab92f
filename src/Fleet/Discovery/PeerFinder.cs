using System.Threading.Channels;
using Ipcs.Libp2p;
using Ipcs.Libp2p.Discovery;
using Ipcs.Multiformats;
using Microsoft.Extensions.Logging;
using IHost = Ipcs.Libp2p.IHost;

namespace Ipcs.Fleet.Discovery;

/// <summary>
/// Dials discovered peers until this node has enough connections; the other peers of a large fleet are found through the DHT. A peer that
/// could not be dialled is retried after <see cref="DialFailures.RetryAfter"/>. Owns the dialling workers, which are awaited at disposal.
/// </summary>
internal sealed partial class PeerFinder : IAsyncDisposable
{
    /// <summary>
    /// With this many connections discovered peers are no longer dialled, if enough of them are this node's own dials: the others may be
    /// those of strangers.
    /// </summary>
    private const int EnoughPeers = 128;

    /// <summary>One in so many of enough connections is to be one that this node has dialled.</summary>
    private const int OneDialledOf = 4;

    /// <summary>The maximum number of peers waiting to be dialled. Further ones are dropped until they are discovered again.</summary>
    private const int MaxWaiting = 512;

    /// <summary>The number of concurrent dials.</summary>
    private const int Workers = 4;

    private static readonly TimeSpan DialTime = TimeSpan.FromSeconds(15);

    private readonly IHost _host;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly Channel<FoundPeer> _waiting = Channel.CreateBounded<FoundPeer>(
        new BoundedChannelOptions(MaxWaiting) { FullMode = BoundedChannelFullMode.DropWrite });
    private readonly DialFailures _failures;
    private readonly CancellationTokenSource _stopping = new();
    private readonly Task[] _workers;

    public PeerFinder(IHost host, TimeProvider time, int seed, ILogger logger)
    {
        _host = host;
        _time = time;
        _logger = logger;
        _failures = new DialFailures(time);
        // Each worker has a generator of its own: Random is not thread-safe.
        _workers = [.. Enumerable.Range(0, Workers).Select(i => Task.Run(() => DialAllAsync(new Random(seed + i))))];
    }

    /// <summary>Queues a discovered peer to be dialled. Does not block.</summary>
    public void Found(FoundPeer peer)
    {
        if (IsWanted(peer.Peer))
        {
            _waiting.Writer.TryWrite(peer);
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        await Task.WhenAll(_workers).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _stopping.Dispose();
    }

    private bool IsWanted(PeerId peer)
    {
        IReadOnlyList<PeerInfo> peers = _host.Peers;
        int enough = Math.Min(EnoughPeers, _host.ConnectionTarget);
        return peer != _host.LocalPeer && (peers.Count < enough || peers.Count(p => !p.Inbound) < enough / OneDialledOf)
            && peers.All(p => p.Peer != peer) && !_failures.IsRecent(peer);
    }

    private async Task DialAllAsync(Random random)
    {
        try
        {
            await foreach (FoundPeer peer in _waiting.Reader.ReadAllAsync(_stopping.Token))
            {
                // Peers that discover each other at the same time would both dial. After random delays, the later one is already connected.
                await Task.Delay(TimeSpan.FromMilliseconds(random.Next(300)), _time, _stopping.Token);
                if (IsWanted(peer.Peer))
                {
                    await DialAsync(peer);
                }
            }
        }
        catch (OperationCanceledException) when (_stopping.IsCancellationRequested)
        {
            // The daemon is stopping.
        }
    }

    private async Task DialAsync(FoundPeer peer)
    {
        string reason = "";
        foreach (Multiaddr address in peer.Addresses)
        {
            using var limit = new Deadline(_time, DialTime, _stopping.Token);
            try
            {
                await _host.ConnectAsync(address.WithPeer(peer.Peer), limit.Token);
                _failures.Remove(peer.Peer);
                LogConnected(peer.Peer, address);
                return;
            }
            catch (Exception e) when (e is IOException || (e is OperationCanceledException && !_stopping.IsCancellationRequested))
            {
                reason = e.Message;
            }
        }

        _failures.Add(peer.Peer);
        LogUnreachable(peer.Peer, reason);
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "connected to discovered peer {Peer} at {Address}")]
    private partial void LogConnected(PeerId peer, Multiaddr address);

    [LoggerMessage(Level = LogLevel.Debug, Message = "discovered {Peer}, which could not be dialled: {Reason}")]
    private partial void LogUnreachable(PeerId peer, string reason);
}
