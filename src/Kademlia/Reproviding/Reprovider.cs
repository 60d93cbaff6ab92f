using System.Collections.Concurrent;
using Ipcs.Kademlia.Routing;
using Ipcs.Kademlia.Wire;
using Ipcs.Multiformats;
using Microsoft.Extensions.Logging;

namespace Ipcs.Kademlia.Reproviding;

/// <summary>
/// Announces keys to the DHT when they are added, and again before their records expire, region by region of the key space. A removed key
/// is not announced again. Owns the schedule and one loop, which is awaited at disposal; writes the durable queue.
/// </summary>
public sealed partial class Reprovider : IAsyncDisposable
{
    /// <summary>The most keys announced after one lookup: at some 150 bytes each, 150 KB to a peer.</summary>
    private const int MaxBatch = 1024;

    /// <summary>The most peers announced to at once.</summary>
    private const int Concurrency = 10;

    /// <summary>
    /// The longest sleep: the most that a jump of the clock, or a peer that joined without waking the loop, delays an announcement.
    /// </summary>
    private static readonly TimeSpan MaxSleep = TimeSpan.FromMinutes(1);

    private readonly Lock _lock = new();
    private readonly Dht _dht;
    private readonly IProvideQueue _queue;
    private readonly ReproviderOptions _options;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly ProvideSchedule _schedule;
    private readonly SemaphoreSlim _wake = new(0, 1);
    private readonly CancellationTokenSource _stopping = new();
    private Task _loop = Task.CompletedTask;
    private bool _hadPeers;

    /// <summary>Creates a reprovider that does nothing until it is started.</summary>
    public Reprovider(Dht dht, IProvideQueue queue, ReproviderOptions options, TimeProvider time, int seed, ILogger logger)
    {
        _dht = dht;
        _queue = queue;
        _options = options;
        _time = time;
        _logger = logger;
        _schedule = new ProvideSchedule(options.Interval, new Random(seed));
    }

    /// <summary>The number of keys that are announced.</summary>
    public int Keys => Locked(s => s.Count);

    /// <summary>The number of keys that are due.</summary>
    public int Waiting => Locked(s => s.DueIn(_time.GetUtcNow(), default, 0, int.MaxValue).Count);

    /// <summary>Loads the durable queue and starts the loop.</summary>
    public void Start()
    {
        foreach ((Multihash key, DateTimeOffset? providedAt) in _queue.List())
        {
            if (Locked(s => s.Add(_time.GetUtcNow(), key, providedAt)))
            {
                _dht.AddOwnRecord(key);
            }
        }

        _loop = RunAsync(_stopping.Token);
    }

    /// <summary>Replaces the set of announced keys: new keys are due at once, missing ones are removed.</summary>
    public void Update(IReadOnlySet<Multihash> keys)
    {
        DateTimeOffset now = _time.GetUtcNow();
        List<Multihash> added = [], removed = [];
        lock (_lock)
        {
            foreach (Multihash gone in _schedule.Keys.Where(k => !keys.Contains(k)).ToArray())
            {
                _schedule.Remove(gone);
                removed.Add(gone);
            }

            added.AddRange(keys.Where(k => _schedule.Add(now, k, providedAt: null)));
        }

        removed.ForEach(_queue.Delete);
        foreach (Multihash key in added)
        {
            _queue.Put(key, providedAt: null);
            _dht.AddOwnRecord(key);
        }

        if (added.Count > 0)
        {
            Wake();
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        await _loop.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _stopping.Dispose();
        _wake.Dispose();
    }

    private async Task RunAsync(CancellationToken stopping)
    {
        await Task.Yield();
        while (!stopping.IsCancellationRequested)
        {
            try
            {
                await SleepAsync(stopping);
                while (HasPeers() && Locked(s => s.NextDue(_time.GetUtcNow())) is { } key)
                {
                    await ProvideRegionAsync(key, stopping);
                }
            }
            catch (OperationCanceledException) when (stopping.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e)
            {
                // Keys that failed are tried again after their delay; the loop must go on.
                LogRoundFailed(e);
            }
        }
    }

    /// <summary>False while the routing table is empty. When its first peer has joined, all failed keys are due.</summary>
    private bool HasPeers()
    {
        bool has = _dht.TableSize > 0;
        if (has && !_hadPeers)
        {
            Locked(s =>
            {
                s.RetryNow(_time.GetUtcNow());
                return true;
            });
        }

        _hadPeers = has;
        return has;
    }

    private async Task SleepAsync(CancellationToken stopping)
    {
        TimeSpan sleep = Locked(s => s.NextDueAt()) is { } due ? due - _time.GetUtcNow() : MaxSleep;
        TimeSpan shortest = _dht.TableSize > 0 ? TimeSpan.Zero : TimeSpan.FromSeconds(1);
        sleep = sleep < shortest ? shortest : sleep > MaxSleep ? MaxSleep : sleep;
        if (sleep == TimeSpan.Zero)
        {
            return;
        }

        using var timer = new CancellationTokenSource(sleep, _time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(stopping, timer.Token);
        try
        {
            await _wake.WaitAsync(either.Token);
        }
        catch (OperationCanceledException) when (!stopping.IsCancellationRequested)
        {
            // The sleep is over.
        }
    }

    /// <summary>Looks up the peers closest to a key, and announces it with all due keys of the same region to them.</summary>
    private async Task ProvideRegionAsync(Multihash key, CancellationToken stopping)
    {
        int k = _dht.Options.BucketSize;
        IReadOnlyList<DhtPeer> peers = await _dht.FindClosestAsync(key.ToArray(), 2 * k, stopping);
        var region = Region.Of(KadKey.Of(key), peers, 2 * k, k);
        DateTimeOffset before = _time.GetUtcNow() + _options.Early;
        List<Multihash> batch = Locked(s => s.DueIn(before, region.Point, region.Bits, MaxBatch));
        if (!batch.Contains(key))
        {
            batch.Add(key);
        }

        var accepted = new ConcurrentDictionary<Multihash, byte>();
        await Parallel.ForEachAsync(
            Region.Assign(peers, batch, k),
            new ParallelOptions { MaxDegreeOfParallelism = Concurrency, CancellationToken = stopping },
            async (assigned, stop) =>
            {
                if (await _dht.AnnounceAsync(assigned.Peer, assigned.Keys, stop))
                {
                    assigned.Keys.ForEach(announced => accepted.TryAdd(announced, 0));
                }
            });
        RecordResults(batch, accepted);
        LogProvided(accepted.Count, batch.Count, peers.Count);
    }

    private void RecordResults(List<Multihash> batch, ConcurrentDictionary<Multihash, byte> accepted)
    {
        DateTimeOffset now = _time.GetUtcNow();
        lock (_lock)
        {
            foreach (Multihash key in batch)
            {
                if (accepted.ContainsKey(key))
                {
                    _schedule.Done(now, key);
                }
                else
                {
                    _schedule.Failed(now, key);
                }
            }
        }

        // Keys that were removed meanwhile must not come back.
        var still = Locked(s => batch.Where(b => accepted.ContainsKey(b) && s.Contains(b)).ToList());
        foreach (Multihash key in still)
        {
            _queue.Put(key, now);
            _dht.AddOwnRecord(key);
        }
    }

    private void Wake()
    {
        try
        {
            _wake.Release();
        }
        catch (SemaphoreFullException)
        {
            // The loop is awake already.
        }
    }

    private T Locked<T>(Func<ProvideSchedule, T> action)
    {
        lock (_lock)
        {
            return action(_schedule);
        }
    }

    [LoggerMessage(Level = LogLevel.Debug, Message = "announced {Accepted} of {Keys} keys to {Peers} peers")]
    private partial void LogProvided(int accepted, int keys, int peers);

    [LoggerMessage(Level = LogLevel.Warning, Message = "announcing keys failed")]
    private partial void LogRoundFailed(Exception error);
}
