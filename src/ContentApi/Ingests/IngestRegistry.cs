using System.Diagnostics;
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
/// All ingests that are not committed. Owns the locks of their references, their states in memory, and the few interrupted ingests that
/// stay open. Thread-safe.
/// </summary>
internal sealed partial class IngestRegistry : IIngestRoots, IDisposable
{
    /// <summary>How long an abort waits for the end of a session before it looks for another session with the reference.</summary>
    private static readonly TimeSpan AbortInterval = TimeSpan.FromMilliseconds(100);

    private readonly IStore _store;
    private readonly ImportProfile _profile;
    private readonly ContentApiOptions _options;
    private readonly ILogger<IngestRegistry> _logger;
    private readonly ReferenceLocks _locks;
    private readonly Lock _gate = new();
    private readonly SortedDictionary<string, IngestStatus> _statuses = new(StringComparer.Ordinal);
    private readonly Dictionary<string, LockedIngest> _open = new(StringComparer.Ordinal);
    private readonly LinkedList<Ingest> _idle = new();

    public IngestRegistry(IStore store, ImportProfile profile, ContentApiOptions options, ILogger<IngestRegistry> logger)
    {
        _store = store;
        _profile = profile;
        _options = options;
        _logger = logger;
        _locks = new ReferenceLocks(options.Time);
        foreach (IngestRecord record in store.Ingests.Enumerate())
        {
            _statuses[record.Ref] = new IngestStatus(record);
        }
    }

    /// <summary>
    /// Locks a reference. Waits only for a session that may be at its end, since the caller may be in containerd's transaction: a client
    /// that closes a session opens the next one at once.
    /// </summary>
    /// <returns>
    /// Null when another session waits for the fleet with the reference, gets a request meanwhile, or keeps the reference locked for
    /// <see cref="ContentApiOptions.LockWait"/>.
    /// </returns>
    public async ValueTask<LockedIngest?> AcquireAsync(string reference, CancellationToken cancellationToken)
    {
        Task? nextRequest;
        lock (_gate)
        {
            LockedIngest? session = _open.GetValueOrDefault(reference);
            if (session is { IsWaiting: true })
            {
                return null;
            }

            nextRequest = session?.NextRequest;
        }

        if (nextRequest is null)
        {
            return await AcquireAsync(reference, _options.LockWait, cancellationToken);
        }

        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        Task<LockedIngest?> locking = AcquireAsync(reference, _options.LockWait, stop.Token).AsTask();
        if (await Task.WhenAny(locking, nextRequest) == nextRequest)
        {
            await stop.CancelAsync();
        }

        try
        {
            return await locking;
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return null;
        }
    }

    private async ValueTask<LockedIngest?> AcquireAsync(string reference, TimeSpan wait, CancellationToken cancellationToken)
    {
        IDisposable? handle = await _locks.AcquireAsync(reference, wait, cancellationToken);
        if (handle is null)
        {
            return null;
        }

        var locked = new LockedIngest(this, reference, handle);
        lock (_gate)
        {
            Debug.Assert(!_open.ContainsKey(reference), "a reference has one session at a time");
            _open[reference] = locked;
        }

        return locked;
    }

    /// <summary>True while a session waits for the end of another with the reference.</summary>
    internal bool IsAwaited(string reference)
    {
        lock (_gate)
        {
            return _open.GetValueOrDefault(reference) is { IsAwaited: true };
        }
    }

    /// <summary>The state of an ingest; null when there is none.</summary>
    public IngestStatus? Get(string reference)
    {
        lock (_gate)
        {
            return _statuses.GetValueOrDefault(reference);
        }
    }

    /// <summary>The states of all ingests, in the order of their references.</summary>
    public IReadOnlyList<IngestStatus> List()
    {
        lock (_gate)
        {
            return [.. _statuses.Values];
        }
    }

    /// <summary>Ends the session of a reference, if there is one, and deletes its ingest.</summary>
    /// <returns>False when there is no ingest.</returns>
    /// <exception cref="Grpc.Core.RpcException">The session did not end within <see cref="ContentApiOptions.AbortWait"/>.</exception>
    public async Task<bool> AbortAsync(string reference, CancellationToken cancellationToken)
    {
        // Another session may have waited for the lock and got it first: each round ends the session that has it now.
        for (TimeSpan left = _options.AbortWait; left > TimeSpan.Zero; left -= AbortInterval)
        {
            LockedIngest? session;
            lock (_gate)
            {
                session = _open.GetValueOrDefault(reference);
            }

            // Outside the lock, since continuations of the session may run on this thread.
            session?.SignalAbort();
            if (await AcquireAsync(reference, AbortInterval, cancellationToken) is { } locked)
            {
                await using (locked)
                {
                    return locked.Discard();
                }
            }
        }

        throw RpcErrors.Unavailable($"ref {reference} is locked");
    }

    /// <inheritdoc/>
    public IReadOnlyCollection<Cid> LeasedRoots()
    {
        var roots = new HashSet<Cid>();
        foreach (IngestStatus status in List())
        {
            roots.UnionWith(RootsOf(status.Ref));
        }

        return roots;
    }

    public void Dispose()
    {
        lock (_gate)
        {
            foreach (Ingest ingest in _idle)
            {
                ingest.Dispose();
            }

            _idle.Clear();
        }
    }

    /// <summary>Resumes the ingest of a locked reference, or begins a new one.</summary>
    internal Ingest Load(string reference, long total)
    {
        Ingest? ingest = TakeIdle(reference) ?? Restore(reference);
        if (ingest is not null && total > 0 && ingest.Total > 0 && total != ingest.Total)
        {
            // The client writes another content under the same reference.
            ingest.Dispose();
            ingest = null;
        }

        if (ingest is null)
        {
            lock (_gate)
            {
                if (_statuses.Count >= _options.MaxIngests && !_statuses.ContainsKey(reference))
                {
                    throw RpcErrors.ResourceExhausted($"there are {_statuses.Count} ingests already: abort some");
                }
            }

            ingest = Ingest.Begin(_store, _profile, _options.Time, reference);
        }

        return ingest;
    }

    /// <summary>Replaces the state of an ingest in memory.</summary>
    internal void Publish(Ingest ingest) => Publish(ingest.Status);

    /// <summary>Shows clients how much the fleet has sent, while the session of the reference waits for it.</summary>
    internal void PublishProgress(LockedIngest session, IngestStatus status)
    {
        lock (_gate)
        {
            if (session.IsWaiting)
            {
                _statuses[status.Ref] = status;
            }
        }
    }

    /// <summary>Replaces the state of an ingest in memory, as clients see it.</summary>
    internal void Publish(IngestStatus status)
    {
        lock (_gate)
        {
            _statuses[status.Ref] = status;
        }
    }

    /// <summary>Stores the state of an ingest whose session ends, and keeps the ingest open for the next session.</summary>
    internal void Suspend(Ingest ingest)
    {
        if (!ingest.CanResume)
        {
            // A commit or a write failed: the next session resumes at the offset of the last record.
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
            // Not thrown, since it would hide the session's own error from the client. The ingest in memory is still complete.
            LogNotSaved(ingest.Ref, e);
        }

        IngestStatus status = ingest.Status;
        Ingest? oldest = null;
        lock (_gate)
        {
            _statuses[ingest.Ref] = status;
            _idle.AddFirst(ingest);
            if (_idle.Count > _options.MaxIdleIngests)
            {
                oldest = _idle.Last!.Value;
                _idle.RemoveLast();
            }
        }

        oldest?.Dispose();
    }

    /// <summary>Removes an ingest whose record the store has removed.</summary>
    internal void RemoveCommitted(string reference)
    {
        lock (_gate)
        {
            _statuses.Remove(reference);
        }
    }

    /// <summary>Deletes an ingest and its record.</summary>
    /// <returns>False when there was none.</returns>
    internal bool Delete(string reference)
    {
        TakeIdle(reference)?.Dispose();
        bool stored = _store.Ingests.Delete(reference);
        lock (_gate)
        {
            return _statuses.Remove(reference) || stored;
        }
    }

    /// <summary>Removes a session that has ended.</summary>
    internal void Close(LockedIngest session)
    {
        lock (_gate)
        {
            if (_open.GetValueOrDefault(session.Ref) == session)
            {
                _open.Remove(session.Ref);
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
                _statuses.Remove(reference);
            }
            else
            {
                _statuses[reference] = new IngestStatus(record);
            }
        }
    }

    private Ingest? TakeIdle(string reference)
    {
        lock (_gate)
        {
            for (LinkedListNode<Ingest>? node = _idle.First; node is not null; node = node.Next)
            {
                if (node.Value.Ref == reference)
                {
                    _idle.Remove(node);
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
            LogRestarted(reference, e);
            return null;
        }
    }

    private IReadOnlyList<Cid> RootsOf(string reference)
    {
        lock (_gate)
        {
            Ingest? ingest = _open.GetValueOrDefault(reference)?.Current ?? _idle.FirstOrDefault(i => i.Ref == reference);
            if (ingest is not null)
            {
                return ingest.Roots();
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
            LogRestarted(reference, e);
        }

        return [];
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "The record of the ingest {Reference} could not be written or read")]
    private partial void LogNotSaved(string reference, Exception error);

    [LoggerMessage(Level = LogLevel.Warning, Message = "The ingest {Reference} cannot be resumed and starts over")]
    private partial void LogRestarted(string reference, Exception error);
}
