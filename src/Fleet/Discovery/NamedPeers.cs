using Ipcs.Libp2p;
using Ipcs.Libp2p.Discovery;
using Ipcs.Multiformats;
using Microsoft.Extensions.Logging;
using IHost = Ipcs.Libp2p.IHost;

namespace Ipcs.Fleet.Discovery;

/// <summary>
/// Stays connected to all peers that a name stands for, such as those of a headless service: resolves it again and again, and dials every address that
/// is not ours and not connected. Owns one loop per name, which are awaited at disposal.
/// </summary>
internal sealed partial class NamedPeers : IAsyncDisposable
{
    /// <summary>Addresses taken of one name: a service of more hosts is found through any of them.</summary>
    private const int MaxAddresses = 256;

    /// <summary>Addresses of one name dialled at once.</summary>
    private const int DialsAtOnce = 8;

    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(15);
    private static readonly TimeSpan ResolveTime = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan DialTime = TimeSpan.FromSeconds(15);

    private readonly IHost _host;
    private readonly Func<Multiaddr, CancellationToken, Task<IReadOnlyList<Multiaddr>>> _resolve;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly CancellationTokenSource _stopping = new();
    private readonly Task[] _loops;

    public NamedPeers(
        IHost host, IReadOnlyList<Multiaddr> names, Func<Multiaddr, CancellationToken, Task<IReadOnlyList<Multiaddr>>> resolve, TimeProvider time, ILogger logger)
    {
        _host = host;
        _resolve = resolve;
        _time = time;
        _logger = logger;
        _loops = [.. names.Select(n => Task.Run(() => FollowAsync(n)))];
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        await Task.WhenAll(_loops).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _stopping.Dispose();
    }

    private async Task FollowAsync(Multiaddr name)
    {
        // What answered as this node itself, or as a peer that is connected under another address: not dialled again while the name stands for it.
        var settled = new Dictionary<Multiaddr, PeerId>();
        while (!_stopping.IsCancellationRequested)
        {
            try
            {
                IReadOnlyList<Multiaddr> addresses = await ResolveAsync(name);
                foreach (Multiaddr gone in settled.Keys.Except(addresses).ToArray())
                {
                    settled.Remove(gone);
                }

                await DialAsync(addresses, settled);
            }
            catch (OperationCanceledException) when (_stopping.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e) when (e is IOException or OperationCanceledException)
            {
                LogUnresolved(name, e.Message);
            }

            await Task.Delay(Interval * (0.8 + (0.4 * Random.Shared.NextDouble())), _time, _stopping.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private async Task<IReadOnlyList<Multiaddr>> ResolveAsync(Multiaddr name)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(_stopping.Token);
        limit.CancelAfter(ResolveTime);
        return [.. (await _resolve(name, limit.Token)).Distinct().Take(MaxAddresses)];
    }

    private async Task DialAsync(IReadOnlyList<Multiaddr> addresses, Dictionary<Multiaddr, PeerId> settled)
    {
        HashSet<Multiaddr> own = [.. InterfaceAddresses.Expand(_host.ListenAddresses), .. _host.ListenAddresses];
        HashSet<PeerId> connected = [.. _host.Peers.Select(p => p.Peer)];
        HashSet<Multiaddr> met = [.. _host.Peers.Select(p => p.Address)];
        Multiaddr[] open = [.. addresses.Where(a => !own.Contains(a) && !met.Contains(a) && !(a.PeerId is { } named && (named == _host.LocalPeer || connected.Contains(named)))
            && !(settled.TryGetValue(a, out PeerId peer) && (peer == _host.LocalPeer || connected.Contains(peer))))];
        await Parallel.ForEachAsync(open, new ParallelOptions { MaxDegreeOfParallelism = DialsAtOnce, CancellationToken = _stopping.Token }, async (address, stop) =>
        {
            using var limit = CancellationTokenSource.CreateLinkedTokenSource(stop);
            limit.CancelAfter(DialTime);
            try
            {
                PeerInfo peer = await _host.ConnectAsync(address, limit.Token);
                lock (settled)
                {
                    settled[address] = peer.Peer;
                }
            }
            catch (Exception e) when (e is IOException || (e is OperationCanceledException && !stop.IsCancellationRequested))
            {
                LogUnreachable(address, e.Message);
            }
        });
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "{Name} can't be resolved: {Reason}")]
    private partial void LogUnresolved(Multiaddr name, string reason);

    [LoggerMessage(Level = LogLevel.Debug, Message = "{Address} can't be reached: {Reason}")]
    private partial void LogUnreachable(Multiaddr address, string reason);
}
