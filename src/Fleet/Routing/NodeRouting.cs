using Ipcs.Blockstore;
using Ipcs.Fleet.Discovery;
using Ipcs.Kademlia;
using Ipcs.Kademlia.Reproviding;
using Ipcs.Libp2p;
using Ipcs.Libp2p.Discovery.Mdns;
using Ipcs.Libp2p.Dns;
using Ipcs.Multiformats;
using Microsoft.Extensions.Logging;
using IHost = Ipcs.Libp2p.IHost;

namespace Ipcs.Fleet.Routing;

/// <summary>
/// Finds peers and contents beyond the current connections: the DHT node, its reprovider, mDNS, and peers by DNS name. Each part can be
/// disabled. Owns all parts.
/// </summary>
public sealed partial class NodeRouting : IContentRouting, IAsyncDisposable
{
    /// <summary>How often the store is scanned for keys to announce without a call of <see cref="StoreChanged"/>: pins make none.</summary>
    private static readonly TimeSpan ScanInterval = TimeSpan.FromSeconds(30);

    /// <summary>The same when every block is announced, since that scan takes longer.</summary>
    private static readonly TimeSpan ScanAllInterval = TimeSpan.FromMinutes(5);

    /// <summary>The delay from the first change to the scan: a pull commits tens of contents per second, which share one scan.</summary>
    private static readonly TimeSpan GatherTime = TimeSpan.FromSeconds(1);

    private readonly RoutingOptions _options;
    private readonly IHost _host;
    private readonly ProvideSource _source;
    private readonly TimeProvider _time;
    private readonly Random _random;
    private readonly ILoggerFactory _loggers;
    private readonly SemaphoreSlim _changed = new(1, 1);
    private readonly Stack<IAsyncDisposable> _parts = new();
    private readonly CancellationTokenSource _stopping = new();
    private Task _scanning = Task.CompletedTask;

    public NodeRouting(RoutingOptions options, IHost host, IStore store, TimeProvider time, Random random, ILoggerFactory loggers)
    {
        _options = options;
        _host = host;
        _time = time;
        _random = random;
        _loggers = loggers;
        _source = new ProvideSource(store, options.Provide);
        if (options.Dht is { } dht)
        {
            Dht = new Dht(host, dht, new StoredPeers(store.Peers), _time, _random.Next(), loggers.CreateLogger<Dht>());
            Reprovider = new Reprovider(
                Dht,
                new StoredProvides(store.Provides),
                new ReproviderOptions { Interval = options.ProvideInterval },
                _time,
                _random.Next(),
                loggers.CreateLogger<Reprovider>());
        }
    }

    /// <summary>The DHT node; null when the DHT is disabled.</summary>
    public Dht? Dht { get; }

    /// <summary>Announces keys in the DHT; null when the DHT is disabled.</summary>
    public Reprovider? Reprovider { get; }

    /// <summary>Starts all parts. Called once the host listens; before that the DHT node only answers requests.</summary>
    public void Start()
    {
        if (Dht is not null && Reprovider is not null)
        {
            _parts.Push(Dht);
            _parts.Push(Reprovider);
            Dht.Start();
            Reprovider.Start();
            _scanning = ScanAsync(Reprovider);
        }

        if (_options.Mdns)
        {
            var finder = new PeerFinder(_host, _time, _random.Next(), _loggers.CreateLogger<PeerFinder>());
            var mdns = new MdnsService(_host, finder.Found, _time, _random.Next(), _loggers.CreateLogger<MdnsService>());
            _parts.Push(finder);
            _parts.Push(mdns);
            mdns.Start();
        }

        Multiaddr[] names = [.. _options.Peers.Where(HostNames.IsName)];
        if (names.Length > 0)
        {
            var resolver = new SystemDnsResolver(_time);
            _parts.Push(new NamedPeers(_host, names, resolver, _time, _random.Next(), _loggers.CreateLogger<NamedPeers>()));
        }
    }

    /// <summary>Schedules a scan of the store, whose owned or pinned contents have changed. Does not block.</summary>
    public void StoreChanged()
    {
        try
        {
            _changed.Release();
        }
        catch (SemaphoreFullException)
        {
            // A scan is scheduled already.
        }
    }

    /// <inheritdoc/>
    public IAsyncEnumerable<AddrInfo> FindProvidersAsync(Multihash content, CancellationToken cancellationToken) =>
        Dht?.FindProvidersAsync(content, cancellationToken) ?? AsyncEnumerable.Empty<AddrInfo>();

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        await _scanning.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        while (_parts.TryPop(out IAsyncDisposable? part))
        {
            await part.DisposeAsync();
        }

        _stopping.Dispose();
    }

    private async Task ScanAsync(Reprovider reprovider)
    {
        ILogger logger = _loggers.CreateLogger<NodeRouting>();
        while (!_stopping.IsCancellationRequested)
        {
            try
            {
                await ChangeAsync(_options.Provide == ProvideStrategy.All ? ScanAllInterval : ScanInterval);
                await Task.Delay(GatherTime, _time, _stopping.Token);
                await Task.Run(() => reprovider.Update(_source.Keys()), _stopping.Token);
            }
            catch (OperationCanceledException) when (_stopping.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e)
            {
                // The store is closing or a record is damaged: the next scan tries again.
                LogScanFailed(logger, e);
            }
        }
    }

    /// <summary>Waits for a change of the store, but not longer than <paramref name="most"/>.</summary>
    private async Task ChangeAsync(TimeSpan most)
    {
        using var limit = new Deadline(_time, most, _stopping.Token);
        try
        {
            await _changed.WaitAsync(limit.Token);
        }
        catch (OperationCanceledException) when (!_stopping.IsCancellationRequested)
        {
            // The periodic scan is due.
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "the store could not be scanned for keys to announce")]
    private static partial void LogScanFailed(ILogger logger, Exception error);
}
