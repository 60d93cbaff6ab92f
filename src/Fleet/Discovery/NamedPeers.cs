using Ipcs.Libp2p;
using Ipcs.Libp2p.Discovery;
using Ipcs.Libp2p.Dns;
using Ipcs.Multiformats;
using Microsoft.Extensions.Logging;
using IHost = Ipcs.Libp2p.IHost;

namespace Ipcs.Fleet.Discovery;

/// <summary>
/// Stays connected to all peers behind DNS names, such as those of a headless service: resolves each name periodically, and dials every
/// address that is neither this node's nor connected. The connections are protected, like those to configured peers. Owns one loop per
/// name; the loops are awaited at disposal.
/// </summary>
internal sealed partial class NamedPeers : IAsyncDisposable
{
    /// <summary>The maximum number of addresses used per name: any of them leads to the other hosts of a larger service.</summary>
    private const int MaxAddresses = 256;

    /// <summary>The maximum number of concurrent dials per name.</summary>
    private const int DialsAtOnce = 8;

    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(15);
    private static readonly TimeSpan ResolveTime = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan DialTime = TimeSpan.FromSeconds(15);

    private readonly IHost _host;
    private readonly IDnsResolver _resolver;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly CancellationTokenSource _stopping = new();
    private readonly Task[] _loops;

    public NamedPeers(
        IHost host, IReadOnlyList<Multiaddr> names, IDnsResolver resolver, TimeProvider time, int seed, ILogger logger)
    {
        _host = host;
        _resolver = resolver;
        _time = time;
        _logger = logger;
        // Each loop has a generator of its own: Random is not thread-safe.
        _loops = [.. names.Select((n, i) => Task.Run(() => FollowAsync(n, new Random(seed + i))))];
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        await Task.WhenAll(_loops).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _stopping.Dispose();
    }

    private async Task FollowAsync(Multiaddr name, Random random)
    {
        // The peers that answered at each address. An address of this node, or of a peer that is connected under another address, is not
        // dialled again while the name resolves to it.
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
                _host.Protect(name.ToString(), PeersAt(addresses, settled));
            }
            catch (OperationCanceledException) when (_stopping.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e) when (e is IOException or OperationCanceledException)
            {
                LogUnresolved(name, e.Message);
            }

            TimeSpan pause = Interval * (0.8 + (0.4 * random.NextDouble()));
            await Task.Delay(pause, _time, _stopping.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    /// <summary>The peers of these addresses: those that the addresses name, have answered there, or are connected from there.</summary>
    private HashSet<PeerId> PeersAt(IReadOnlyList<Multiaddr> addresses, Dictionary<Multiaddr, PeerId> settled) =>
    [
        .. addresses.Select(a => a.PeerId).OfType<PeerId>(),
        .. settled.Values,
        .. _host.Peers.Where(p => addresses.Contains(p.Address)).Select(p => p.Peer),
    ];

    private async Task<IReadOnlyList<Multiaddr>> ResolveAsync(Multiaddr name)
    {
        using var limit = new Deadline(_time, ResolveTime, _stopping.Token);
        return [.. (await HostNames.ResolveAsync(_resolver, name, limit.Token)).Distinct().Take(MaxAddresses)];
    }

    private async Task DialAsync(IReadOnlyList<Multiaddr> addresses, Dictionary<Multiaddr, PeerId> settled)
    {
        HashSet<Multiaddr> own = [.. InterfaceAddresses.Expand(_host.ListenAddresses), .. _host.ListenAddresses];
        HashSet<PeerId> connected = [.. _host.Peers.Select(p => p.Peer)];
        HashSet<Multiaddr> inUse = [.. _host.Peers.Select(p => p.Address)];
        Multiaddr[] open =
        [
            .. addresses.Where(a => !own.Contains(a) && !inUse.Contains(a)
                && !(a.PeerId is { } named && (named == _host.LocalPeer || connected.Contains(named)))
                && !(settled.TryGetValue(a, out PeerId peer) && (peer == _host.LocalPeer || connected.Contains(peer)))),
        ];
        var options = new ParallelOptions { MaxDegreeOfParallelism = DialsAtOnce, CancellationToken = _stopping.Token };
        await Parallel.ForEachAsync(open, options, async (address, stop) =>
        {
            using var limit = new Deadline(_time, DialTime, stop);
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

    [LoggerMessage(Level = LogLevel.Information, Message = "{Name} could not be resolved: {Reason}")]
    private partial void LogUnresolved(Multiaddr name, string reason);

    [LoggerMessage(Level = LogLevel.Debug, Message = "{Address} could not be dialled: {Reason}")]
    private partial void LogUnreachable(Multiaddr address, string reason);
}
