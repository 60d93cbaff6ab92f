using Ipcs.Kademlia.Wire;
using Ipcs.Multiformats;
using Microsoft.Extensions.Logging;

namespace Ipcs.Kademlia;

/// <summary>
/// Keeps a DHT node alive: dials the peers known from the last run, looks into its buckets, asks silent peers whether they live, sweeps what has
/// expired, and saves its peers. Owns one loop, which is awaited at disposal.
/// </summary>
internal sealed partial class DhtMaintenance(Dht dht, IKnownPeers? known, Random random, TimeProvider time, ILogger logger) : IAsyncDisposable
{
    /// <summary>Peers remembered over a restart; a few of them alive are enough to find all others.</summary>
    public const int MaxKnown = 256;

    /// <summary>Peers of the last run dialled at once.</summary>
    private const int DialsAtOnce = 8;

    /// <summary>The deepest bucket looked into: a key that falls there takes 2^16 hashes to find, and a fleet of 65,000 fills no deeper one.</summary>
    private const int MaxPrefix = 15;

    /// <summary>Silent peers asked in one round.</summary>
    private const int ChecksAtOnce = 16;

    private static readonly TimeSpan Round = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan SaveInterval = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan SweepInterval = TimeSpan.FromMinutes(10);

    private readonly SemaphoreSlim _wake = new(0, 1);
    private Task _loop = Task.CompletedTask;
    private volatile bool _bootstrap = true;
    private volatile bool _changed;

    /// <summary>Starts the loop.</summary>
    public void Start(CancellationToken stopping) => _loop = RunAsync(stopping);

    /// <summary>A peer came into the table; after the first one the neighbourhood is looked up at once.</summary>
    public void PeerCame(bool first)
    {
        _changed = true;
        if (first)
        {
            _bootstrap = true;
            if (_wake.CurrentCount == 0)
            {
                try
                {
                    _wake.Release();
                }
                catch (SemaphoreFullException)
                {
                    // Somebody else has just woken it.
                }
            }
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _loop.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        Save();
        _wake.Dispose();
    }

    private async Task RunAsync(CancellationToken stopping)
    {
        await Task.Yield();
        Task dialling = DialKnownAsync(stopping);
        DateTimeOffset saved = time.GetUtcNow(), swept = saved;
        while (!stopping.IsCancellationRequested)
        {
            try
            {
                await WaitAsync(stopping);
                await dht.Links.SweepAsync();
                dht.RefreshOwnAddresses();
                await RefreshAsync(stopping);
                await CheckAsync(stopping);
                DateTimeOffset now = time.GetUtcNow();
                if (now - saved >= SaveInterval && _changed)
                {
                    saved = now;
                    Save();
                }

                if (now - swept >= SweepInterval)
                {
                    swept = now;
                    dht.Locked((_, responder) => responder.Providers.Sweep(now));
                }
            }
            catch (OperationCanceledException) when (stopping.IsCancellationRequested)
            {
                break;
            }
            catch (Exception e)
            {
                // One round that fails must not be the last.
                LogRoundFailed(e);
            }
        }

        await dialling.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    private async Task WaitAsync(CancellationToken stopping)
    {
        using var timer = new CancellationTokenSource(Round * (0.8 + (0.4 * random.NextDouble())), time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(stopping, timer.Token);
        try
        {
            await _wake.WaitAsync(either.Token);
        }
        catch (OperationCanceledException) when (!stopping.IsCancellationRequested)
        {
            // The round's time has come.
        }
    }

    private async Task RefreshAsync(CancellationToken stopping)
    {
        if (_bootstrap && dht.TableSize > 0)
        {
            // Until somebody has answered, each round tries again.
            _bootstrap = false;
            _bootstrap |= (await dht.FindClosestAsync(dht.Self.ToArray(), dht.Options.BucketSize, stopping)).Count == 0;
        }

        DateTimeOffset before = time.GetUtcNow() - dht.Options.RefreshInterval;
        foreach (int prefix in dht.Locked((table, _) => table.PrefixesToRefresh(before, MaxPrefix)))
        {
            await dht.FindClosestAsync(KeyIn(prefix), dht.Options.BucketSize, stopping);
        }
    }

    /// <summary>The bytes of a key that has this many leading bits in common with ours: a random peer id, since some servers take nothing else.</summary>
    private byte[] KeyIn(int prefix)
    {
        KadKey local = KadKey.Of(dht.Self);
        byte[] key = new byte[34];
        (key[0], key[1]) = ((byte)Multihash.Sha2_256, 32);
        do
        {
            random.NextBytes(key.AsSpan(2));
        }
        while (KadKey.Of(key).CommonPrefix(local) != prefix);

        return key;
    }

    private async Task CheckAsync(CancellationToken stopping)
    {
        DateTimeOffset before = time.GetUtcNow() - dht.Options.CheckAfter;
        DhtPeer[] silent = dht.Locked((table, _) => table.NotSeenSince(before, ChecksAtOnce).Select(e => new DhtPeer(e.Peer, e.Addresses)).ToArray());
        await Task.WhenAll(silent.Select(p => dht.TryRequestAsync(p, [new DhtMessage { Type = DhtMessageType.Ping }], stopping)));
    }

    private async Task DialKnownAsync(CancellationToken stopping)
    {
        KnownPeer[] peers = known is null ? [] : [.. known.Load().Take(MaxKnown)];
        random.Shuffle(peers);
        await Parallel.ForEachAsync(peers, new ParallelOptions { MaxDegreeOfParallelism = DialsAtOnce, CancellationToken = stopping }, async (peer, stop) =>
        {
            using var limit = CancellationTokenSource.CreateLinkedTokenSource(stop);
            limit.CancelAfter(dht.Options.RequestTime);
            try
            {
                await dht.Links.ConnectAsync(new DhtPeer(peer.Peer, peer.Addresses), limit.Token);
            }
            catch (Exception e) when (e is IOException || (e is OperationCanceledException && !stop.IsCancellationRequested))
            {
                LogKnownGone(peer.Peer, e.Message);
            }
        });
    }

    private void Save()
    {
        if (known is null)
        {
            return;
        }

        _changed = false;
        List<KnownPeer> peers = dht.Locked((table, _) => table.Entries
            .Where(e => e.Addresses.Count > 0)
            .OrderByDescending(e => e.LastSeen)
            .Take(MaxKnown)
            .Select(e => new KnownPeer(e.Peer, e.Addresses, e.LastSeen))
            .ToList());

        // A run in which nobody was met does not forget those of the run before.
        if (peers.Count > 0)
        {
            known.Save(peers);
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "a round of the DHT's upkeep failed")]
    private partial void LogRoundFailed(Exception error);

    [LoggerMessage(Level = LogLevel.Debug, Message = "{Peer}, known from the last run, can't be reached: {Reason}")]
    private partial void LogKnownGone(PeerId peer, string reason);
}
