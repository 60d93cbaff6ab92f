using System.Collections.Concurrent;
using Ipcs.Kademlia.Wire;
using Ipcs.Multiformats;
using Microsoft.Extensions.Logging;

namespace Ipcs.Kademlia.Providers;

/// <summary>
/// Announces keys to the DHT when they come and again before others forget them, region by region of the key space. What is withdrawn is just not
/// announced again. Owns the schedule and one loop, which is awaited at disposal; writes the durable table.
/// </summary>
public sealed partial class Reprovider : IAsyncDisposable
{
    /// <summary>Keys announced after one lookup: at some 150 bytes each, 150 KB to a peer.</summary>
    private const int MaxBatch = 1024;

    /// <summary>Peers told at once.</summary>
    private const int Concurrency = 10;

    /// <summary>How long it may sleep: a clock that jumps, or a peer that came unnoticed, costs no more.</summary>
    private static readonly TimeSpan MaxSleep = TimeSpan.FromMinutes(1);

    private readonly Lock _lock = new();
    private readonly Dht _dht;
    private readonly IProvideTable _table;
    private readonly ReproviderOptions _options;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly ProvideSchedule _schedule;
    private readonly SemaphoreSlim _wake = new(0, 1);
    private readonly CancellationTokenSource _stopping = new();
    private Task _loop = Task.CompletedTask;
    private bool _hadPeers;

    /// <summary>A reprovider that does nothing until it is started.</summary>
    public Reprovider(Dht dht, IProvideTable table, ReproviderOptions options, TimeProvider time, int seed, ILogger logger)
    {
        _dht = dht;
        _table = table;
        _options = options;
        _time = time;
        _logger = logger;
        _schedule = new ProvideSchedule(options.Interval, new Random(seed));
    }

    /// <summary>How many keys are announced.</summary>
    public int Keys => Locked(s => s.Count);

    /// <summary>How many of them are due and wait for their turn.</summary>
    public int Waiting => Locked(s => s.DueIn(_time.GetUtcNow(), default, 0, int.MaxValue).Count);

    /// <summary>Loads the durable table and begins.</summary>
    public void Start()
    {
        foreach (ProvideEntry entry in _table.List())
        {
            if (Locked(s => s.Add(_time.GetUtcNow(), entry.Key, entry.ProvidedAt)))
            {
                _dht.RememberOwn(entry.Key);
            }
        }

        _loop = RunAsync(_stopping.Token);
    }

    /// <summary>Makes these the keys that are announced: new ones are at once, those that are missing no longer.</summary>
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

        removed.ForEach(_table.Delete);
        foreach (Multihash key in added)
        {
            _table.Put(new ProvideEntry(key, ProvidedAt: null));
            _dht.RememberOwn(key);
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
                // What failed is tried again after its pause; the loop must go on.
                LogRoundFailed(e);
            }
        }
    }

    /// <summary>False while there is nobody to tell; what failed is due again as soon as there is.</summary>
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
            // A key is due.
        }
    }

    /// <summary>Looks up where a key lies, and announces it and all that are due beside it.</summary>
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

        var taken = new ConcurrentDictionary<Multihash, byte>();
        await Parallel.ForEachAsync(
            Region.Assign(peers, batch, k),
            new ParallelOptions { MaxDegreeOfParallelism = Concurrency, CancellationToken = stopping },
            async (share, stop) =>
            {
                if (await _dht.AnnounceAsync(share.Peer, share.Keys, stop))
                {
                    share.Keys.ForEach(told => taken.TryAdd(told, 0));
                }
            });
        Note(batch, taken);
        LogProvided(taken.Count, batch.Count, peers.Count);
    }

    private void Note(List<Multihash> batch, ConcurrentDictionary<Multihash, byte> taken)
    {
        DateTimeOffset now = _time.GetUtcNow();
        lock (_lock)
        {
            foreach (Multihash key in batch)
            {
                if (taken.ContainsKey(key))
                {
                    _schedule.Done(now, key);
                }
                else
                {
                    _schedule.Failed(now, key);
                }
            }
        }

        var still = Locked(s => batch.Where(b => taken.ContainsKey(b) && s.Keys.Contains(b)).ToList());
        foreach (Multihash key in still)
        {
            _table.Put(new ProvideEntry(key, now));
            _dht.RememberOwn(key);
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
            // It is awake already.
        }
    }

    private T Locked<T>(Func<ProvideSchedule, T> action)
    {
        lock (_lock)
        {
            return action(_schedule);
        }
    }

    [LoggerMessage(Level = LogLevel.Debug, Message = "announced {Taken} of {Keys} keys to {Peers} peers")]
    private partial void LogProvided(int taken, int keys, int peers);

    [LoggerMessage(Level = LogLevel.Warning, Message = "a round of announcements failed")]
    private partial void LogRoundFailed(Exception error);
}
