using Ipcs.Kademlia.Routing;
using Ipcs.Kademlia.Wire;
using Ipcs.Multiformats;
using Microsoft.Extensions.Logging;

namespace Ipcs.Kademlia;

/// <summary>
/// The background work of a DHT node: dials the peers of the last run, refreshes buckets, pings silent peers, removes expired records,
/// and saves the peers of the routing table. Owns one loop, which is awaited at disposal.
/// </summary>
internal sealed partial class DhtMaintenance(
    Dht dht, IKnownPeers? known, Random random, TimeProvider time, ILogger logger) : IAsyncDisposable
{
    /// <summary>The most peers saved for the next run: a few that are still alive are enough to find all others.</summary>
    public const int MaxKnown = 256;

    /// <summary>The most peers of the last run dialled at once.</summary>
    private const int DialsAtOnce = 8;

    /// <summary>
    /// The deepest bucket that is refreshed: to find a key of it takes 2^16 hashes, and a network of 65,000 peers fills no deeper one.
    /// </summary>
    private const int MaxPrefix = 15;

    /// <summary>The most silent peers pinged in one round.</summary>
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

    /// <summary>Called when a peer was added to the routing table. The first one makes the loop look up its own key at once.</summary>
    public void PeerAdded(bool first)
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
                    // Another thread has just woken the loop.
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
                await dht.Streams.SweepAsync();
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
                // A failed round must not end the loop.
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
            // The next round is due.
        }
    }

    private async Task RefreshAsync(CancellationToken stopping)
    {
        if (_bootstrap && dht.TableSize > 0)
        {
            // Tried again in each round until a peer answers.
            _bootstrap = false;
            _bootstrap |= (await dht.FindClosestAsync(dht.Self.ToArray(), dht.Options.BucketSize, stopping)).Count == 0;
        }

        DateTimeOffset before = time.GetUtcNow() - dht.Options.RefreshInterval;
        foreach (int prefix in dht.Locked((table, _) => table.PrefixesToRefresh(before, MaxPrefix)))
        {
            await dht.FindClosestAsync(KeyIn(prefix), dht.Options.BucketSize, stopping);
        }
    }

    /// <summary>
    /// A random key that shares this many leading bits with the local one. It has the form of a peer id, since some servers accept no
    /// other.
    /// </summary>
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
        DhtPeer[] silent = dht.Locked((table, _) =>
            table.NotSeenSince(before, ChecksAtOnce).Select(e => new DhtPeer(e.Peer, e.Addresses)).ToArray());
        await Task.WhenAll(silent.Select(p => dht.TryRequestAsync(p, [new DhtMessage { Type = DhtMessageType.Ping }], stopping)));
    }

    private async Task DialKnownAsync(CancellationToken stopping)
    {
        KnownPeer[] peers = known is null ? [] : [.. known.Load().Take(MaxKnown)];
        random.Shuffle(peers);
        var bounds = new ParallelOptions { MaxDegreeOfParallelism = DialsAtOnce, CancellationToken = stopping };
        await Parallel.ForEachAsync(peers, bounds, async (peer, stop) =>
        {
            using var limit = new CancellationTokenSource(dht.Options.RequestTime, time);
            using var either = CancellationTokenSource.CreateLinkedTokenSource(stop, limit.Token);
            try
            {
                await dht.Streams.ConnectAsync(new DhtPeer(peer.Peer, peer.Addresses), either.Token);
            }
            catch (Exception e) when (e is IOException || (e is OperationCanceledException && !stop.IsCancellationRequested))
            {
                LogDialFailed(peer.Peer, e.Message);
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

        // A run that met no peer must not overwrite the peers of the run before.
        if (peers.Count > 0)
        {
            known.Save(peers);
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "DHT maintenance failed; it is tried again in the next round")]
    private partial void LogRoundFailed(Exception error);

    [LoggerMessage(Level = LogLevel.Debug, Message = "could not dial {Peer}, a DHT peer of the last run: {Reason}")]
    private partial void LogDialFailed(PeerId peer, string reason);
}
