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
/// A node of the DHT: asks others, answers them when it is a server, and keeps its routing table alive. The thin asynchronous shell around
/// <see cref="RoutingTable"/>, <see cref="Lookup"/> and <see cref="DhtResponder"/>, which it owns and locks.
/// Spec: https://github.com/libp2p/specs/blob/master/kad-dht/README.md.
/// </summary>
public sealed class Dht : IContentRouting, IAsyncDisposable
{
    /// <summary>Providers given out for one question: nobody fetches one content from more at once.</summary>
    private const int MaxFound = 1000;

    private static readonly TimeSpan SlowTime = TimeSpan.FromSeconds(1);

    /// <summary>What a slow peer may take for each message of a batch.</summary>
    private static readonly TimeSpan TimePerMessage = TimeSpan.FromMilliseconds(20);

    private readonly Lock _lock = new();
    private readonly IHost _host;
    private readonly DhtOptions _options;
    private readonly TimeProvider _time;
    private readonly RoutingTable _table;
    private readonly DhtResponder _responder;
    private readonly DhtStreams _links;
    private readonly DhtMaintenance _maintenance;
    private readonly CancellationTokenSource _stopping = new();
    private IReadOnlyList<Multiaddr> _ownAddresses = [];
    private bool _started;

    /// <summary>A node that answers, when it is a server, and does nothing else until it is started.</summary>
    /// <param name="host">The peer it is part of.</param>
    /// <param name="options">What it runs with.</param>
    /// <param name="known">Remembers peers over a restart; null for nothing.</param>
    /// <param name="time">The clock.</param>
    /// <param name="seed">Of all its random choices.</param>
    /// <param name="logger">Where logs go.</param>
    public Dht(IHost host, DhtOptions options, IKnownPeers? known, TimeProvider time, int seed, ILogger logger)
    {
        _host = host;
        _options = options;
        _time = time;
        var random = new Random(seed);
        _table = new RoutingTable(host.LocalPeer, options.BucketSize);
        _responder = new DhtResponder(_table, options, random, Own, Connected);
        _links = new DhtStreams(host, options, time);
        _maintenance = new DhtMaintenance(this, known, new Random(random.Next()), time, logger);
        if (options.Server)
        {
            // At once: whom the host meets first must hear in identify that we serve.
            host.Handle(options.Protocol, new DhtServer(host, Answer).ServeAsync);
        }
    }

    /// <summary>How many peers the routing table has.</summary>
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

    /// <summary>How many provider records of others (and of our own) are kept here.</summary>
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

    internal DhtStreams Links => _links;

    /// <summary>Begins to learn of peers and to keep the table alive. The host must listen.</summary>
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
    public async IAsyncEnumerable<ProviderRecord> FindProvidersAsync(Multihash content, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _stopping.Token);
        Channel<ProviderRecord> found = Channel.CreateBounded<ProviderRecord>(MaxFound);
        Task search = SearchAsync(content, found.Writer, stop.Token);
        try
        {
            await foreach (ProviderRecord provider in found.Reader.ReadAllAsync(CancellationToken.None))
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

    /// <summary>Finds where a peer may be dialled; null when nobody knows. A connected peer is found at once.</summary>
    public async Task<ProviderRecord?> FindPeerAsync(PeerId peer, CancellationToken cancellationToken)
    {
        IReadOnlyList<Multiaddr> connected = Connected(peer);
        if (connected.Count > 0)
        {
            return new ProviderRecord(peer, connected);
        }

        ProviderRecord? found = null;
        LookupRunner? runner = null;
        var request = new DhtMessage { Type = DhtMessageType.FindNode, Key = peer.ToArray() };
        runner = Runner(KadKey.Of(peer), _options.BucketSize, async (asked, stop) =>
        {
            DhtMessage answer = await RequestAsync(asked, request, stop);
            IReadOnlyList<DhtPeer> closer = Useful(answer.Closer, asked.Peer);
            if (closer.FirstOrDefault(p => p.Peer == peer && p.Addresses.Count > 0) is { } match)
            {
                Interlocked.CompareExchange(ref found, new ProviderRecord(peer, match.Addresses), null);
                runner!.Stop();
            }

            return closer;
        });
        await runner.RunAsync(cancellationToken);
        return found;
    }

    /// <summary>Announces to the k closest peers that this node has a content.</summary>
    /// <returns>How many of them took it.</returns>
    public async Task<int> ProvideAsync(Multihash content, CancellationToken cancellationToken)
    {
        IReadOnlyList<DhtPeer> closest = await FindClosestAsync(content.ToArray(), _options.BucketSize, cancellationToken);
        RememberOwn(content);
        bool[] taken = await Task.WhenAll(closest.Select(p => AnnounceAsync(p, [content], cancellationToken)));
        return taken.Count(t => t);
    }

    /// <summary>Fetches a public key from the DHT; null when nobody has it. What is returned has been validated.</summary>
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
    /// <returns>How many of them took it.</returns>
    public async Task<int> PutPublicKeyAsync(byte[] publicKeyProtobuf, CancellationToken cancellationToken)
    {
        byte[] key = ValueRules.PublicKeyOf(PeerId.FromPublicKey(publicKeyProtobuf));
        IReadOnlyList<DhtPeer> closest = await FindClosestAsync(key, _options.BucketSize, cancellationToken);
        var request = new DhtMessage { Type = DhtMessageType.PutValue, Key = key, Record = new DhtRecord(key, publicKeyProtobuf) };
        bool[] taken = await Task.WhenAll(closest.Select(p => TryRequestAsync(p, [request], cancellationToken)));
        return taken.Count(t => t);
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
        await _links.DisposeAsync();
        _stopping.Dispose();
    }

    /// <summary>The peers closest to a key of which <paramref name="count"/> at most answer.</summary>
    internal Task<IReadOnlyList<DhtPeer>> FindClosestAsync(byte[] key, int count, CancellationToken cancellationToken)
    {
        var request = new DhtMessage { Type = DhtMessageType.FindNode, Key = key };
        return Runner(KadKey.Of(key), count, async (asked, stop) => Useful((await RequestAsync(asked, request, stop)).Closer, asked.Peer)).RunAsync(cancellationToken);
    }

    /// <summary>Keeps a record of our own, for those who ask us.</summary>
    internal void RememberOwn(Multihash content)
    {
        lock (_lock)
        {
            _responder.Providers.Add(_time.GetUtcNow(), content, _host.LocalPeer, _ownAddresses);
        }
    }

    /// <summary>Announces contents to one peer, all over one stream; the ping at the end is answered once the peer has taken them.</summary>
    internal Task<bool> AnnounceAsync(DhtPeer peer, IReadOnlyList<Multihash> contents, CancellationToken cancellationToken)
    {
        DhtPeer own = Own();
        var messages = new List<DhtMessage>(contents.Count + 1);
        messages.AddRange(contents.Select(c => new DhtMessage { Type = DhtMessageType.AddProvider, Key = c.ToArray(), Providers = [own] }));
        messages.Add(new DhtMessage { Type = DhtMessageType.Ping });
        return TryRequestAsync(peer, messages, cancellationToken);
    }

    /// <summary>Asks, and says whether it was answered.</summary>
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

    /// <summary>Does something with the table and the records, alone.</summary>
    internal T Locked<T>(Func<RoutingTable, DhtResponder, T> action)
    {
        lock (_lock)
        {
            return action(_table, _responder);
        }
    }

    /// <summary>Looks again under which addresses others can dial us.</summary>
    internal void RefreshOwnAddresses() => Volatile.Write(ref _ownAddresses, PeerAddresses.Keep(InterfaceAddresses.Expand(_host.ListenAddresses), _options.Mode, fromThisMachine: true));

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

    private async Task SearchAsync(Multihash content, ChannelWriter<ProviderRecord> found, CancellationToken cancellationToken)
    {
        try
        {
            var told = new HashSet<PeerId> { _host.LocalPeer };
            int count = 0;
            bool Tell(PeerId peer, IReadOnlyList<Multiaddr> addresses)
            {
                lock (told)
                {
                    return told.Add(peer) && count++ < MaxFound && found.TryWrite(new ProviderRecord(peer, addresses));
                }
            }

            foreach (ProviderEntry here in Locked((_, responder) => responder.Providers.Get(_time.GetUtcNow(), content)))
            {
                Tell(here.Peer, here.Addresses);
            }

            LookupRunner? runner = null;
            var request = new DhtMessage { Type = DhtMessageType.GetProviders, Key = content.ToArray() };
            runner = Runner(KadKey.Of(content), _options.BucketSize, async (asked, stop) =>
            {
                DhtMessage answer = await RequestAsync(asked, request, stop);
                foreach (DhtPeer provider in Useful(answer.Providers, asked.Peer))
                {
                    Tell(provider.Peer, provider.Addresses);
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

    private Task<DhtMessage> RequestAsync(DhtPeer peer, DhtMessage request, CancellationToken cancellationToken) => RequestAsync(peer, [request], cancellationToken);

    private async Task<DhtMessage> RequestAsync(DhtPeer peer, IReadOnlyList<DhtMessage> messages, CancellationToken cancellationToken)
    {
        long begun = _time.GetTimestamp();
        try
        {
            DhtMessage answer = await _links.RequestAsync(peer, messages, cancellationToken);
            Locked((table, _) =>
            {
                table.Seen(_time.GetUtcNow(), peer.Peer, peer.Addresses);
                return true;
            });
            return answer;
        }
        catch (Exception e) when (e is IOException || (e is OperationCanceledException && _time.GetElapsedTime(begun) >= SlowTime))
        {
            // A lookup that ends early gives up peers that have done nothing wrong: only those that took their time are noted.
            Locked((table, _) =>
            {
                table.Failed(peer.Peer);
                return true;
            });
            throw;
        }
    }

    /// <summary>What a peer tells of others, with the addresses that mean something here. Peers left without any stay only when they are connected.</summary>
    private List<DhtPeer> Useful(IReadOnlyList<DhtPeer> told, PeerId teller)
    {
        bool thisMachine = _host.Peers.FirstOrDefault(p => p.Peer == teller) is { } info && PeerAddresses.IsThisMachine(info.Address);
        var useful = new List<DhtPeer>(told.Count);
        foreach (DhtPeer peer in told)
        {
            useful.Add(peer with { Addresses = PeerAddresses.Keep(peer.Addresses, _options.Mode, thisMachine) });
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
            _maintenance.PeerCame(first: before == 0);
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
