using Ipcs.Blockstore;
using Ipcs.Multiformats;

namespace Ipcs.Fleet.Locating;

/// <summary>
/// What the peers have answered for one digest so far: the record of the first sound answer, and which peers have its root completely or
/// partly. Late answers count too. Thread-safe.
/// </summary>
internal sealed class Resolution(Digest digest, long asked)
{
    private readonly Lock _lock = new();
    private readonly Dictionary<PeerId, bool> _providers = [];
    private readonly TaskCompletionSource<ContentRecord?> _decided = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private ContentRecord? _found;
    private int _waiting;

    /// <summary>The digest.</summary>
    public Digest Digest { get; } = digest;

    /// <summary>When the peers were asked, a timestamp of the clock.</summary>
    public long Asked { get; } = asked;

    /// <summary>
    /// The record (neither owned nor complete), once a peer has the content completely; null once all peers that are waited for have
    /// denied.
    /// </summary>
    public Task<ContentRecord?> Decided
    {
        get
        {
            lock (_lock)
            {
                return _found is null ? _decided.Task : Task.FromResult<ContentRecord?>(_found);
            }
        }
    }

    /// <summary>The peers that have the content; true for those that have it completely.</summary>
    public KeyValuePair<PeerId, bool>[] Providers
    {
        get
        {
            lock (_lock)
            {
                return [.. _providers];
            }
        }
    }

    /// <summary>The peers that have the content completely.</summary>
    public PeerId[] CompleteProviders
    {
        get
        {
            lock (_lock)
            {
                return [.. _providers.Where(p => p.Value).Select(p => p.Key)];
            }
        }
    }

    /// <summary>Sets the number of peers whose answers are waited for.</summary>
    public void Expect(int peers)
    {
        lock (_lock)
        {
            _waiting = peers;
        }

        if (peers == 0)
        {
            _decided.TrySetResult(null);
        }
    }

    /// <summary>The root of the first sound answer. False when there is none yet.</summary>
    public bool TryGetRoot(out Cid root)
    {
        lock (_lock)
        {
            root = _found?.Root ?? default;
            return _found is not null;
        }
    }

    /// <summary>Adds a peer's answer, whose record has been checked against the root block.</summary>
    public void Add(PeerId peer, ContentRecord record)
    {
        lock (_lock)
        {
            if (_found is null && record.Complete)
            {
                _found = record with { Complete = false, Owned = false };
            }

            if (_found is null || _found.Root == record.Root)
            {
                _providers[peer] = record.Complete;
            }

            if (_found is null)
            {
                return;
            }
        }

        _decided.TrySetResult(_found);
    }

    /// <summary>Records that one of the awaited peers has answered.</summary>
    public void Done()
    {
        lock (_lock)
        {
            if (--_waiting > 0)
            {
                return;
            }
        }

        _decided.TrySetResult(null);
    }
}
