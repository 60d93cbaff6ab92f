using Ipcs.Blockstore;
using Ipcs.Fleet.Resolve;
using Ipcs.Multiformats;

namespace Ipcs.Fleet.Locating;

/// <summary>
/// What the peers have answered for one digest so far: each peer's last answer whose record fits its root block. The answers may name
/// different roots. Late answers count too. Thread-safe.
/// </summary>
internal sealed class Resolution(Digest digest, long asked)
{
    private readonly Lock _lock = new();

    // In the order in which the peers answered.
    private readonly OrderedDictionary<PeerId, ContentRecord> _answers = [];
    private readonly OrderedDictionary<PeerId, GrowingPart> _growing = [];
    private readonly TaskCompletionSource _decided = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _waiting;

    /// <summary>The digest.</summary>
    public Digest Digest { get; } = digest;

    /// <summary>When the peers were asked, a timestamp of the clock.</summary>
    public long Asked { get; } = asked;

    /// <summary>
    /// Completes once a peer has said that it has the content completely, or all peers that are waited for have answered.
    /// </summary>
    public Task Decided => _decided.Task;

    /// <summary>The peers' answers, in the order in which they came. The records are neither owned nor verified.</summary>
    public KeyValuePair<PeerId, ContentRecord>[] Answers
    {
        get
        {
            lock (_lock)
            {
                return [.. _answers];
            }
        }
    }

    /// <summary>What the peers that are getting the content say of it, in the order in which they answered.</summary>
    public KeyValuePair<PeerId, GrowingPart>[] Growing
    {
        get
        {
            lock (_lock)
            {
                return [.. _growing];
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
            _decided.TrySetResult();
        }
    }

    /// <summary>True when a root with this size is known to be that of a file of this size.</summary>
    public bool IsSound(ContentRecord record)
    {
        lock (_lock)
        {
            return _answers.Values.Any(a => a.Root.ToV1() == record.Root.ToV1() && a.Size == record.Size && a.Kind == record.Kind);
        }
    }

    /// <summary>Adds or replaces a peer's answer, whose record has been checked against the root block.</summary>
    public void Add(PeerId peer, ContentRecord record)
    {
        lock (_lock)
        {
            _answers[peer] = record with { Owned = false };
        }

        if (record.Complete)
        {
            _decided.TrySetResult();
        }
    }

    /// <summary>Adds or replaces what a peer says of the content that it is getting; null when it is not getting it any more.</summary>
    public void SetGrowing(PeerId peer, GrowingPart? part)
    {
        lock (_lock)
        {
            if (part is null)
            {
                _growing.Remove(peer);
            }
            else
            {
                _growing[peer] = part;
            }
        }
    }

    /// <summary>Removes a peer's answer: it has nothing of the content any more, or its answer was false.</summary>
    public void Remove(PeerId peer)
    {
        lock (_lock)
        {
            _answers.Remove(peer);
        }
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

        _decided.TrySetResult();
    }
}
