using Ipcs.Blockstore;
using Ipcs.Multiformats;

namespace Ipcs.Fleet.Locating;

/// <summary>
/// What the fleet has said of one digest so far: the record that the first sound answer gave, and who has how much of that root.
/// Answers that come late are taken all the same. Thread-safe.
/// </summary>
internal sealed class Resolution(Digest digest, long asked)
{
    private readonly Lock _lock = new();
    private readonly Dictionary<PeerId, bool> _holders = [];
    private readonly TaskCompletionSource<ContentRecord?> _decided = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private ContentRecord? _found;
    private int _waiting;

    /// <summary>What was asked for.</summary>
    public Digest Digest { get; } = digest;

    /// <summary>When it was asked, a timestamp of the clock.</summary>
    public long Asked { get; } = asked;

    /// <summary>The record (neither owned nor complete), once a peer has the whole; null once all who are waited for have said no.</summary>
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

    /// <summary>Those who have all of it or a part.</summary>
    public KeyValuePair<PeerId, bool>[] Providers
    {
        get
        {
            lock (_lock)
            {
                return [.. _holders];
            }
        }
    }

    /// <summary>Those who say that they have all of it.</summary>
    public PeerId[] CompleteProviders
    {
        get
        {
            lock (_lock)
            {
                return [.. _holders.Where(h => h.Value).Select(h => h.Key)];
            }
        }
    }

    /// <summary>So many peers are asked and waited for.</summary>
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

    /// <summary>The root that counts: that of the first sound answer. False when there is none yet.</summary>
    public bool TryGetRoot(out Cid root)
    {
        lock (_lock)
        {
            root = _found?.Root ?? default;
            return _found is not null;
        }
    }

    /// <summary>A peer has it, or a part of it; its record has been checked against the root block.</summary>
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
                _holders[peer] = record.Complete;
            }

            if (_found is null)
            {
                return;
            }
        }

        _decided.TrySetResult(_found);
    }

    /// <summary>One of those who are waited for has said all that it will.</summary>
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
