using System.Diagnostics.CodeAnalysis;

namespace Ipcs.Bitswap.Client;

/// <summary>
/// The wants that one peer may be asked for next, the best first. What lies here may have gone to another peer meanwhile, or rank behind what it did: that
/// is seen when it comes to the top, so that nothing is searched for when something changes. Touched only under the scheduler's lock.
/// </summary>
internal sealed class PeerWantQueue
{
    /// <summary>Entries, beyond twice as many as there are wants, past which most are of the past: all are thrown away and gathered anew once a look is taken.</summary>
    private const int Slack = 64;

    private readonly PriorityQueue<Want, (int Rank, long Order)> _queue = new();
    private readonly List<(Want Want, (int Rank, long Order) Place)> _parked = [];

    /// <summary>True when they are to be gathered anew before a look is taken; until then nothing is added.</summary>
    public bool IsOutdated { get; private set; } = true;

    /// <summary>True when they were gathered to be drawn at random.</summary>
    public bool IsShuffled { get; private set; }

    /// <summary>Something has changed that touches many of them.</summary>
    public void Outdate()
    {
        IsOutdated = true;
        _queue.Clear();
        _parked.Clear();
    }

    /// <summary>They are gathered anew.</summary>
    public void Begin(bool shuffled)
    {
        Outdate();
        IsOutdated = false;
        IsShuffled = shuffled;
    }

    /// <summary>Adds a want; once more does no harm. The lower rank is the better one, in one rank the lower order.</summary>
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

    /// <summary>The best, and the rank that it had when it was added.</summary>
    public bool TryPeek([NotNullWhen(true)] out Want? want, out int rank)
    {
        bool any = _queue.TryPeek(out want, out (int Rank, long Order) place);
        rank = place.Rank;
        return any;
    }

    /// <summary>Removes the best.</summary>
    public void Drop() => _queue.Dequeue();

    /// <summary>Puts the best where it belongs by now.</summary>
    public void Demote(int rank, long order) => _queue.DequeueEnqueue(_queue.Peek(), (rank, order));

    /// <summary>Puts the best aside: the peer can't serve it, for a reason that time takes away.</summary>
    public void Park()
    {
        if (_queue.TryDequeue(out Want? want, out (int Rank, long Order) place))
        {
            _parked.Add((want, place));
        }
    }

    /// <summary>Time has passed: those put aside are looked at again.</summary>
    public void Unpark()
    {
        foreach ((Want want, (int Rank, long Order) place) in _parked)
        {
            _queue.Enqueue(want, place);
        }

        _parked.Clear();
    }
}
