using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Threading.Channels;
using Ipcs.Kademlia.Providers;
using Ipcs.Kademlia.Queries;
using Ipcs.Kademlia.Routing;
using Ipcs.Kademlia.Values;
using Ipcs.Kademlia.Wire;
using Ipcs.Libp2p;
using Ipcs.Libp2p.Discovery;
using Ipcs.Multiformats;
using Microsoft.Extensions.Logging;

namespace Ipcs.Kademlia;

/// <summary>
/// A node of the DHT: runs lookups, answers requests when it is a server, and maintains its routing table. The asynchronous shell around
/// <see cref="RoutingTable"/>, <see cref="Lookup"/> and <see cref="DhtResponder"/>, which it owns and locks.
/// Spec: https://github.com/libp2p/specs/blob/master/kad-dht/README.md.
/// </summary>
public sealed class Dht : IContentRouting, IAsyncDisposable
{
    /// <summary>The most providers returned by one search: no fetch uses more.</summary>
    private const int MaxFound = 1000;

    /// <summary>A peer that has not answered after this time counts as slow: the lookup asks one more beside it.</summary>
    private static readonly TimeSpan SlowTime = TimeSpan.FromSeconds(1);

    /// <summary>The time added to <see cref="DhtOptions.RequestTime"/> for each message of a batch.</summary>
    private static readonly TimeSpan TimePerMessage = TimeSpan.FromMilliseconds(20);

    private readonly Lock _lock = new();
    private readonly IHost _host;
    private readonly DhtOptions _options;
    private readonly TimeProvider _time;
    private readonly RoutingTable _table;
    private readonly DhtResponder _responder;
    private readonly DhtStreams _streams;
    private readonly DhtMaintenance _maintenance;
    private readonly CancellationTokenSource _stopping = new();
    private IReadOnlyList<Multiaddr> _ownAddresses = [];
    private bool _started;

    /// <summary>Creates a node. A server answers requests from now on; everything else begins with <see cref="Start"/>.</summary>
    /// <param name="host">The libp2p host.</param>
    /// <param name="options">The options.</param>
    /// <param name="known">Stores the peers of the routing table for the next run; null: none are stored.</param>
    /// <param name="time">The clock.</param>
    /// <param name="seed">The seed of all random choices.</param>
    /// <param name="logger">The logger.</param>
    public Dht(IHost host, DhtOptions options, IKnownPeers? known, TimeProvider time, int seed, ILogger logger)
    {
        _host = host;
        _options = options;
        _time = time;
        var random = new Random(seed);
        _table = new RoutingTable(host.LocalPeer, options.BucketSize);
        _responder = new DhtResponder(_table, options, random, Own, Connected);
        _streams = new DhtStreams(host, options, time);
        _maintenance = new DhtMaintenance(this, known, new Random(random.Next()), time, logger);
        if (options.Server)
        {
            // Registered before the host connects: identify must announce the protocol to the first peer already.
            host.Handle(options.Protocol, new DhtServer(host, Answer, time).ServeAsync);
        }
    }

    /// <summary>The number of peers in the routing table.</summary>
    public int TableSize
    {
        get
        {
            lock (_lock)
            {
                return _table.Count;
            }
        }
    }

    /// <summary>The number of provider records stored here, of other peers and of this node.</summary>
    public int ProviderRecords
    {
        get
        {
            lock (_lock)
            {
                return _responder.Providers.Count;
            }
        }
    }

    internal DhtOptions Options => _options;

    internal PeerId Self => _host.LocalPeer;

    internal DhtStreams Streams => _streams;

    /// <summary>Starts to add peers to the routing table and to maintain it. The host must be listening.</summary>
    public void Start()
    {
        RefreshOwnAddresses();
        _host.PeerIdentified += OnIdentified;
        foreach (PeerInfo peer in _host.Peers)
        {
            OnIdentified(peer);
        }

        _started = true;
        _maintenance.Start(_stopping.Token);
    }

    /// <inheritdoc/>
    public async IAsyncEnumerable<AddrInfo> FindProvidersAsync(
        Multihash content, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _stopping.Token);
        Channel<AddrInfo> found = Channel.CreateBounded<AddrInfo>(MaxFound);
        Task search = SearchAsync(content, found.Writer, stop.Token);
        try
        {
            await foreach (AddrInfo provider in found.Reader.ReadAllAsync(CancellationToken.None))
            {
                yield return provider;
            }

            cancellationToken.ThrowIfCancellationRequested();
        }
        finally
        {
            await stop.CancelAsync();
            await search.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    /// <summary>
    /// Finds the addresses of a peer; null when no peer knows any. Those of a connected peer are returned without a lookup.
    /// </summary>
    public async Task<AddrInfo?> FindPeerAsync(PeerId peer, CancellationToken cancellationToken)
    {
        IReadOnlyList<Multiaddr> connected = Connected(peer);
        if (connected.Count > 0)
        {
            return new AddrInfo(peer, connected);
        }

        AddrInfo? found = null;
        LookupRunner? runner = null;
        var request = new DhtMessage { Type = DhtMessageType.FindNode, Key = peer.ToArray() };
        runner = Runner(KadKey.Of(peer), _options.BucketSize, async (asked, stop) =>
        {
            DhtMessage answer = await RequestAsync(asked, request, stop);
            IReadOnlyList<DhtPeer> closer = Useful(answer.Closer, asked.Peer);
            if (closer.FirstOrDefault(p => p.Peer == peer && p.Addresses.Count > 0) is { } match)
            {
                Interlocked.CompareExchange(ref found, new AddrInfo(peer, match.Addresses), null);
                runner!.Stop();
            }

            return closer;
        });
        await runner.RunAsync(cancellationToken);
        return found;
    }

    /// <summary>Announces to the k closest peers that this node provides a content.</summary>
    /// <returns>The number of peers that accepted it.</returns>
    public async Task<int> ProvideAsync(Multihash content, CancellationToken cancellationToken)
    {
        IReadOnlyList<DhtPeer> closest = await FindClosestAsync(content.ToArray(), _options.BucketSize, cancellationToken);
        AddOwnRecord(content);
        bool[] accepted = await Task.WhenAll(closest.Select(p => AnnounceAsync(p, [content], cancellationToken)));
        return accepted.Count(a => a);
    }

    /// <summary>Fetches a public key from the DHT; null when no peer has it. The key returned is validated.</summary>
    public async Task<byte[]?> GetPublicKeyAsync(PeerId peer, CancellationToken cancellationToken)
    {
        byte[] key = ValueRules.PublicKeyOf(peer);
        byte[]? found = null;
        LookupRunner? runner = null;
        var request = new DhtMessage { Type = DhtMessageType.GetValue, Key = key };
        runner = Runner(KadKey.Of(key), _options.BucketSize, async (asked, stop) =>
        {
            DhtMessage answer = await RequestAsync(asked, request, stop);
            if (answer.Record is { } record && ValueRules.IsValid(key, record.Value))
            {
                found = record.Value;
                runner!.Stop();
            }

            return Useful(answer.Closer, asked.Peer);
        });
        await runner.RunAsync(cancellationToken);
        return found;
    }

    /// <summary>Stores a public key with the k peers closest to it.</summary>
    /// <returns>The number of peers that accepted it.</returns>
    public async Task<int> PutPublicKeyAsync(byte[] publicKeyProtobuf, CancellationToken cancellationToken)
    {
        byte[] key = ValueRules.PublicKeyOf(PeerId.FromPublicKey(publicKeyProtobuf));
        IReadOnlyList<DhtPeer> closest = await FindClosestAsync(key, _options.BucketSize, cancellationToken);
        var request = new DhtMessage { Type = DhtMessageType.PutValue, Key = key, Record = new DhtRecord(key, publicKeyProtobuf) };
        bool[] accepted = await Task.WhenAll(closest.Select(p => TryRequestAsync(p, [request], cancellationToken)));
        return accepted.Count(a => a);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (_started)
        {
            _host.PeerIdentified -= OnIdentified;
        }

        await _stopping.CancelAsync();
        await _maintenance.DisposeAsync();
        await _streams.DisposeAsync();
        _stopping.Dispose();
    }

    /// <summary>At most <paramref name="count"/> peers that answered, the closest to a key first.</summary>
    internal Task<IReadOnlyList<DhtPeer>> FindClosestAsync(byte[] key, int count, CancellationToken cancellationToken)
    {
        var request = new DhtMessage { Type = DhtMessageType.FindNode, Key = key };
        return Runner(
            KadKey.Of(key),
            count,
            async (asked, stop) => Useful((await RequestAsync(asked, request, stop)).Closer, asked.Peer)).RunAsync(cancellationToken);
    }

    /// <summary>Stores a provider record of this node, for peers that ask it.</summary>
    internal void AddOwnRecord(Multihash content)
    {
        lock (_lock)
        {
            _responder.Providers.Add(_time.GetUtcNow(), content, _host.LocalPeer, _ownAddresses);
        }
    }

    /// <summary>
    /// Announces contents to one peer over one stream. ADD_PROVIDER has no answer: the answer to the ping at the end shows that the peer
    /// has read all.
    /// </summary>
    internal Task<bool> AnnounceAsync(DhtPeer peer, IReadOnlyList<Multihash> contents, CancellationToken cancellationToken)
    {
        DhtPeer own = Own();
        var messages = new List<DhtMessage>(contents.Count + 1);
        messages.AddRange(contents.Select(c => new DhtMessage { Type = DhtMessageType.AddProvider, Key = c.ToArray(), Providers = [own] }));
        messages.Add(new DhtMessage { Type = DhtMessageType.Ping });
        return TryRequestAsync(peer, messages, cancellationToken);
    }

    /// <summary>Sends messages to a peer; false when the last one is not answered in time.</summary>
    internal async Task<bool> TryRequestAsync(DhtPeer peer, IReadOnlyList<DhtMessage> messages, CancellationToken cancellationToken)
    {
        using var limit = new CancellationTokenSource(_options.RequestTime + (TimePerMessage * messages.Count), _time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, limit.Token);
        try
        {
            await RequestAsync(peer, messages, either.Token);
            return true;
        }
        catch (Exception e) when (e is IOException || (e is OperationCanceledException && !cancellationToken.IsCancellationRequested))
        {
            return false;
        }
    }

    /// <summary>Runs an action on the routing table and the records under the lock.</summary>
    internal T Locked<T>(Func<RoutingTable, DhtResponder, T> action)
    {
        lock (_lock)
        {
            return action(_table, _responder);
        }
    }

    /// <summary>Determines again the addresses at which other peers can dial this node.</summary>
    internal void RefreshOwnAddresses()
    {
        IEnumerable<Multiaddr> addresses = InterfaceAddresses.Expand(_host.ListenAddresses);
        Volatile.Write(ref _ownAddresses, PeerAddresses.Filter(addresses, _options.Mode, fromThisMachine: true));
    }

    private DhtPeer Own() => new(_host.LocalPeer, Volatile.Read(ref _ownAddresses));

    private LookupRunner Runner(KadKey target, int count, Func<DhtPeer, CancellationToken, Task<IReadOnlyList<DhtPeer>>> ask)
    {
        var bounds = new LookupOptions(count, _options.Concurrency, SlowTime, _options.RequestTime, _options.QueryTime);
        List<DhtPeer> seeds = Locked((table, _) =>
        {
            table.Refreshed(_time.GetUtcNow(), target);
            return table.Closest(target, count).ConvertAll(e => new DhtPeer(e.Peer, e.Addresses));
        });
        return new LookupRunner(new Lookup(target, bounds, _host.LocalPeer, seeds), ask, _time);
    }

    private async Task SearchAsync(Multihash content, ChannelWriter<AddrInfo> found, CancellationToken cancellationToken)
    {
        try
        {
            var reported = new HashSet<PeerId> { _host.LocalPeer };
            int count = 0;
            void Report(PeerId peer, IReadOnlyList<Multiaddr> addresses)
            {
                lock (reported)
                {
                    if (reported.Add(peer) && count++ < MaxFound)
                    {
                        bool written = found.TryWrite(new AddrInfo(peer, addresses));
                        Debug.Assert(written, "the channel has room for all providers that a search returns");
                    }
                }
            }

            foreach (ProviderRecord stored in Locked((_, responder) => responder.Providers.Get(_time.GetUtcNow(), content)))
            {
                Report(stored.Peer, stored.Addresses);
            }

            LookupRunner? runner = null;
            var request = new DhtMessage { Type = DhtMessageType.GetProviders, Key = content.ToArray() };
            runner = Runner(KadKey.Of(content), _options.BucketSize, async (asked, stop) =>
            {
                DhtMessage answer = await RequestAsync(asked, request, stop);
                foreach (DhtPeer provider in Useful(answer.Providers, asked.Peer))
                {
                    Report(provider.Peer, provider.Addresses);
                }

                if (Volatile.Read(ref count) >= MaxFound)
                {
                    runner!.Stop();
                }

                return Useful(answer.Closer, asked.Peer);
            });
            await runner.RunAsync(cancellationToken);
        }
        finally
        {
            found.Complete();
        }
    }

    private Task<DhtMessage> RequestAsync(DhtPeer peer, DhtMessage request, CancellationToken cancellationToken) =>
        RequestAsync(peer, [request], cancellationToken);

    private async Task<DhtMessage> RequestAsync(DhtPeer peer, IReadOnlyList<DhtMessage> messages, CancellationToken cancellationToken)
    {
        long begun = _time.GetTimestamp();
        try
        {
            DhtMessage answer = await _streams.RequestAsync(peer, messages, cancellationToken);
            Locked((table, _) =>
            {
                table.Seen(_time.GetUtcNow(), peer.Peer, peer.Addresses);
                return true;
            });
            return answer;
        }
        catch (Exception e) when (e is IOException || (e is OperationCanceledException && _time.GetElapsedTime(begun) >= SlowTime))
        {
            // A lookup that ends early cancels requests to good peers: only slow ones count as failed.
            Locked((table, _) =>
            {
                table.Failed(peer.Peer);
                return true;
            });
            throw;
        }
    }

    /// <summary>
    /// The peers that an answer names, each with those of its addresses that can be dialled from here; some may have none.
    /// </summary>
    private List<DhtPeer> Useful(IReadOnlyList<DhtPeer> named, PeerId sender)
    {
        bool thisMachine = _host.Peers.FirstOrDefault(p => p.Peer == sender) is { } info && PeerAddresses.IsThisMachine(info.Address);
        var useful = new List<DhtPeer>(named.Count);
        foreach (DhtPeer peer in named)
        {
            useful.Add(peer with { Addresses = PeerAddresses.Filter(peer.Addresses, _options.Mode, thisMachine) });
        }

        return useful;
    }

    private bool Answer(PeerId from, bool fromThisMachine, DhtMessage request, out DhtMessage? answer)
    {
        lock (_lock)
        {
            return _responder.TryAnswer(_time.GetUtcNow(), from, fromThisMachine, request, out answer);
        }
    }

    private void OnIdentified(PeerInfo peer)
    {
        bool server = peer.Protocols.Contains(_options.Protocol, StringComparer.Ordinal);
        int before, after;
        lock (_lock)
        {
            before = _table.Count;
            if (server)
            {
                _table.Seen(_time.GetUtcNow(), peer.Peer, PeerAddresses.Of(peer, _options.Mode));
            }
            else if (peer.Protocols.Count > 0)
            {
                _table.Remove(peer.Peer);
            }

            after = _table.Count;
        }

        if (after > before)
        {
            _maintenance.PeerAdded(first: before == 0);
        }
    }

    private IReadOnlyList<Multiaddr> Connected(PeerId peer)
    {
        foreach (PeerInfo info in _host.Peers)
        {
            if (info.Peer == peer)
            {
                return PeerAddresses.Of(info, _options.Mode);
            }
        }

        return [];
    }
}
