using Ipcs.Blockstore;
using Ipcs.ContentApi.Hosting;
using Ipcs.ContentApi.Rpc;
using Ipcs.Dag;
using Ipcs.Dag.Gc;
using Ipcs.Dag.Import;
using Ipcs.Multiformats;
using Microsoft.Extensions.Logging;

namespace Ipcs.ContentApi.Ingests;

/// <summary>
/// All ingests that are not committed. Owns their locks, what is known of them without asking the store, and the few interrupted ones that
/// stay warm. Thread-safe.
/// </summary>
internal sealed partial class IngestRegistry : IIngestRoots, IDisposable
{
    /// <summary>How long an abort waits for the session it has ended before it looks whether another one has the reference now.</summary>
    private static readonly TimeSpan AbortTurn = TimeSpan.FromMilliseconds(100);

    private readonly IStore _store;
    private readonly ImportProfile _profile;
    private readonly ContentApiOptions _options;
    private readonly ILogger<IngestRegistry> _logger;
    private readonly ReferenceLocks _locks = new();
    private readonly Lock _gate = new();
    private readonly SortedDictionary<string, IngestStatus> _known = new(StringComparer.Ordinal);
    private readonly Dictionary<string, LockedIngest> _open = new(StringComparer.Ordinal);
    private readonly LinkedList<Ingest> _warm = new();

    public IngestRegistry(IStore store, ImportProfile profile, ContentApiOptions options, ILogger<IngestRegistry> logger)
    {
        _store = store;
        _profile = profile;
        _options = options;
        _logger = logger;
        foreach (IngestRecord record in store.Ingests.Enumerate())
        {
            _known[record.Ref] = new IngestStatus(record);
        }
    }

    /// <summary>Takes a reference's lock.</summary>
    /// <returns>Null when another held it all the time.</returns>
    public ValueTask<LockedIngest?> AcquireAsync(string reference, CancellationToken cancellationToken) =>
        AcquireAsync(reference, _options.LockWait, cancellationToken);

    private async ValueTask<LockedIngest?> AcquireAsync(string reference, TimeSpan wait, CancellationToken cancellationToken)
    {
        IDisposable? hold = await _locks.AcquireAsync(reference, wait, cancellationToken);
        if (hold is null)
        {
            return null;
        }

        var lease = new LockedIngest(this, reference, hold);
        lock (_gate)
        {
            _open[reference] = lease;
        }

        return lease;
    }

    /// <summary>Where an ingest is; null when there is none.</summary>
    public IngestStatus? Get(string reference)
    {
        lock (_gate)
        {
            return _known.GetValueOrDefault(reference);
        }
    }

    /// <summary>Where all ingests are.</summary>
    public IReadOnlyList<IngestStatus> List()
    {
        lock (_gate)
        {
            return [.. _known.Values];
        }
    }

    /// <summary>Ends a reference's session, if there is one, and forgets its ingest.</summary>
    /// <returns>False when there is none.</returns>
    /// <exception cref="Grpc.Core.RpcException">The session doesn't end in time.</exception>
    public async Task<bool> AbortAsync(string reference, CancellationToken cancellationToken)
    {
        // Another session may have waited for the lock and got it first: each turn ends the one that has it now.
        for (TimeSpan left = _options.LockWait; left > TimeSpan.Zero; left -= AbortTurn)
        {
            LockedIngest? session;
            lock (_gate)
            {
                session = _open.GetValueOrDefault(reference);
            }

            // Outside the lock: what the session does then may run on this thread.
            session?.SignalAbort();
            if (await AcquireAsync(reference, AbortTurn, cancellationToken) is { } lease)
            {
                await using (lease)
                {
                    return lease.Discard();
                }
            }
        }

        throw RpcErrors.Unavailable($"ref {reference} is locked");
    }

    /// <inheritdoc/>
    public IReadOnlyCollection<Cid> LeasedRoots()
    {
        var held = new HashSet<Cid>();
        foreach (IngestStatus status in List())
        {
            held.UnionWith(RootsOf(status.Ref));
        }

        return held;
    }

    public void Dispose()
    {
        lock (_gate)
        {
            foreach (Ingest ingest in _warm)
            {
                ingest.Dispose();
            }

            _warm.Clear();
        }
    }

    /// <summary>The ingest of a locked reference: the one there is, or a new one.</summary>
    internal Ingest Load(string reference, long total)
    {
        Ingest? ingest = TakeWarm(reference) ?? Restore(reference);
        if (ingest is not null && total > 0 && ingest.Total > 0 && total != ingest.Total)
        {
            // Another length is another content.
            ingest.Dispose();
            ingest = null;
        }

        if (ingest is null)
        {
            lock (_gate)
            {
                if (_known.Count >= _options.MaxIngests && !_known.ContainsKey(reference))
                {
                    throw RpcErrors.ResourceExhausted($"there are {_known.Count} ingests already; abort some");
                }
            }

            ingest = Ingest.Begin(_store, _profile, _options.Time, reference);
        }

        return ingest;
    }

    /// <summary>Makes known where an ingest is.</summary>
    internal void Publish(Ingest ingest)
    {
        IngestStatus status = ingest.Status;
        lock (_gate)
        {
            _known[ingest.Ref] = status;
        }
    }

    /// <summary>Keeps an ingest for the next session.</summary>
    internal void Keep(Ingest ingest)
    {
        if (!ingest.CanResume)
        {
            // A commit or a write failed half-way: the next session starts where the last record says.
            ingest.Dispose();
            Reload(ingest.Ref);
            return;
        }

        try
        {
            ingest.Save();
        }
        catch (StoreException e)
        {
            // What the session has failed by is what its client shall hear of. In memory all of it is there still.
            LogNotSaved(ingest.Ref, e);
        }

        IngestStatus status = ingest.Status;
        Ingest? oldest = null;
        lock (_gate)
        {
            _known[ingest.Ref] = status;
            _warm.AddFirst(ingest);
            if (_warm.Count > _options.MaxIdleIngests)
            {
                oldest = _warm.Last!.Value;
                _warm.RemoveLast();
            }
        }

        oldest?.Dispose();
    }

    /// <summary>Forgets an ingest that the store has removed.</summary>
    internal void Committed(string reference)
    {
        lock (_gate)
        {
            _known.Remove(reference);
        }
    }

    /// <summary>Forgets an ingest.</summary>
    /// <returns>False when there was none.</returns>
    internal bool Forget(string reference)
    {
        TakeWarm(reference)?.Dispose();
        bool stored = _store.Ingests.Delete(reference);
        lock (_gate)
        {
            return _known.Remove(reference) || stored;
        }
    }

    /// <summary>The session is over.</summary>
    internal void Closed(LockedIngest lease)
    {
        lock (_gate)
        {
            if (_open.GetValueOrDefault(lease.Ref) == lease)
            {
                _open.Remove(lease.Ref);
            }
        }
    }

    private void Reload(string reference)
    {
        IngestRecord? record;
        try
        {
            record = _store.Ingests.Get(reference);
        }
        catch (StoreException e)
        {
            LogNotSaved(reference, e);
            return;
        }

        lock (_gate)
        {
            if (record is null)
            {
                _known.Remove(reference);
            }
            else
            {
                _known[reference] = new IngestStatus(record);
            }
        }
    }

    private Ingest? TakeWarm(string reference)
    {
        lock (_gate)
        {
            for (LinkedListNode<Ingest>? node = _warm.First; node is not null; node = node.Next)
            {
                if (node.Value.Ref == reference)
                {
                    _warm.Remove(node);
                    return node.Value;
                }
            }

            return null;
        }
    }

    private Ingest? Restore(string reference)
    {
        if (_store.Ingests.Get(reference) is not { } record)
        {
            return null;
        }

        try
        {
            return Ingest.Restore(_store, _profile, _options.Time, record);
        }
        catch (Exception e) when (e is DagFormatException or BlockNotFoundException or StoreException { IsNoSpace: false })
        {
            LogStartsOver(reference, e);
            return null;
        }
    }

    private IReadOnlyList<Cid> RootsOf(string reference)
    {
        lock (_gate)
        {
            Ingest? live = _open.GetValueOrDefault(reference)?.Live ?? _warm.FirstOrDefault(i => i.Ref == reference);
            if (live is not null)
            {
                return live.Roots();
            }
        }

        try
        {
            if (_store.Ingests.Get(reference) is { } record)
            {
                IngestState.Decode(record.State.Span, out ReadOnlySpan<byte> state, out _);
                return DagImporter.Restore(_store.Blocks, _profile, state).Roots;
            }
        }
        catch (DagFormatException e)
        {
            LogStartsOver(reference, e);
        }

        return [];
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "Where the ingest {Reference} is can't be written down or read")]
    private partial void LogNotSaved(string reference, Exception error);

    [LoggerMessage(Level = LogLevel.Warning, Message = "The ingest {Reference} can't be resumed and starts over")]
    private partial void LogStartsOver(string reference, Exception error);
}
