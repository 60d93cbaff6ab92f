using System.Diagnostics.CodeAnalysis;

namespace Ipcs.Bitswap.Client;

/// <summary>
/// The wants that may be requested from one peer next, the best first. An entry may have been requested from another peer meanwhile, or
/// have a worse rank by now; that is checked when it is first, so that changes need no search. Accessed only under the scheduler's lock.
/// </summary>
internal sealed class PeerWantQueue
{
    /// <summary>
    /// With this many entries more than twice the number of wants, most are stale: the queue is emptied and gathered again.
    /// </summary>
    private const int Slack = 64;

    private readonly PriorityQueue<Want, (int Rank, long Order)> _queue = new();
    private readonly List<(Want Want, (int Rank, long Order) Place)> _parked = [];

    /// <summary>True when the wants must be gathered again before the queue is used; until then none is added.</summary>
    public bool IsOutdated { get; private set; } = true;

    /// <summary>True when the wants were gathered in random order.</summary>
    public bool IsShuffled { get; private set; }

    /// <summary>Empties the queue after a change that affects many wants.</summary>
    public void Outdate()
    {
        IsOutdated = true;
        _queue.Clear();
        _parked.Clear();
    }

    /// <summary>Starts to gather the wants.</summary>
    public void Begin(bool shuffled)
    {
        Outdate();
        IsOutdated = false;
        IsShuffled = shuffled;
    }

    /// <summary>Adds a want, which may be in the queue already. A lower rank is better, and within a rank a lower order.</summary>
    public void Add(Want want, int rank, long order, int wants)
    {
        if (_queue.Count + _parked.Count > (2 * wants) + Slack)
        {
            Outdate();
        }
        else
        {
            _queue.Enqueue(want, (rank, order));
        }
    }

    /// <summary>The best want, and the rank with which it was added.</summary>
    public bool TryPeek([NotNullWhen(true)] out Want? want, out int rank)
    {
        bool any = _queue.TryPeek(out want, out (int Rank, long Order) place);
        rank = place.Rank;
        return any;
    }

    /// <summary>Removes the best want.</summary>
    public void Drop() => _queue.Dequeue();

    /// <summary>Gives the best want a worse rank.</summary>
    public void Demote(int rank, long order) => _queue.DequeueEnqueue(_queue.Peek(), (rank, order));

    /// <summary>Sets the best want aside until <see cref="Unpark"/>: the peer cannot serve it yet.</summary>
    public void Park()
    {
        if (_queue.TryDequeue(out Want? want, out (int Rank, long Order) place))
        {
            _parked.Add((want, place));
        }
    }

    /// <summary>Puts the wants that were set aside back.</summary>
    public void Unpark()
    {
        foreach ((Want want, (int Rank, long Order) place) in _parked)
        {
            _queue.Enqueue(want, place);
        }

        _parked.Clear();
    }
}
