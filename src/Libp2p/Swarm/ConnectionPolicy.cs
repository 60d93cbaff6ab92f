using System.Net;
using System.Runtime.InteropServices;

namespace Ipcs.Libp2p.Swarm;

/// <summary>
/// Decides which connections a host keeps, like the connection managers of other libp2p implementations: above a high mark, connections
/// that are older than a grace period are closed down to a low mark, and protected ones never are. The places above the high mark are for
/// protected peers and the host's own dials. Pure: each decision follows from its arguments.
/// </summary>
/// <remarks>
/// Which connection is closed first must not be up to those who would fill the table. So the peers that have given something are kept
/// longest: that can't be pretended. Next those that have spoken an application's protocol. Among equals, one of the network with the most
/// connections is closed: a network pays for the number of its own.
/// </remarks>
/// <param name="most">The maximum number of connections.</param>
/// <param name="grace">
/// For how long a new connection is not closed as useless: its peer may need that to show what it is for.
/// </param>
internal sealed class ConnectionPolicy(int most, TimeSpan grace)
{
    /// <summary>From this number on connections are closed, and those of strangers are no longer accepted: seven eighths.</summary>
    public int High => most - (most / 8);

    /// <summary>How many connections are left after that: three quarters.</summary>
    public int Low => most - (most / 4);

    /// <summary>
    /// The indexes of the connections to close so that another one can be added; null when it must be refused.
    /// </summary>
    /// <param name="open">The open connections.</param>
    /// <param name="added">The connection to be added.</param>
    public IReadOnlyList<int>? Admit(IReadOnlyList<ConnectionFacts> open, ConnectionFacts added)
    {
        if (open.Count < High)
        {
            return [];
        }

        List<int> closed = [.. Order(open, f => !f.Protected && f.Age >= grace).Take(open.Count - Low)];
        int room = added.Protected || added.Dialled ? most : High;
        if (open.Count - closed.Count < room)
        {
            return closed;
        }

        // All that may be closed for being useless are closed. What is left is new or protected.
        return Displaced(open, closed, added) is { } index ? [.. closed, index] : null;
    }

    /// <summary>
    /// The connection that must make room. For a protected peer any that is not protected; for an own dial any inbound one that has given
    /// nothing; for an inbound connection one of a network that would still have more of them afterwards: full of one network's
    /// connections, the table is open to others.
    /// </summary>
    private static int? Displaced(IReadOnlyList<ConnectionFacts> open, List<int> closed, ConnectionFacts added)
    {
        Predicate<ConnectionFacts> candidate = f => !f.Protected && !f.Dialled && !f.Credited;
        if (added.Protected)
        {
            candidate = f => !f.Protected;
        }
        else if (!added.Dialled)
        {
            Dictionary<IPAddress, int> crowds = Crowds(Enumerable.Range(0, open.Count).Except(closed).Select(i => open[i]));
            int least = crowds.GetValueOrDefault(added.Network) + 2;
            candidate = f => !f.Protected && !f.Dialled && !f.Credited && crowds.GetValueOrDefault(f.Network) >= least;
        }

        return Order(open, candidate).Except(closed).Select(i => (int?)i).FirstOrDefault();
    }

    /// <summary>The candidates in the order in which they are to be closed.</summary>
    private static IEnumerable<int> Order(IReadOnlyList<ConnectionFacts> open, Predicate<ConnectionFacts> candidate)
    {
        Dictionary<IPAddress, int> crowds = Crowds(open);
        IEnumerable<IGrouping<(bool Credited, bool Used), int>> classes = Enumerable.Range(0, open.Count)
            .Where(i => candidate(open[i]))
            .GroupBy(i => (open[i].Credited, Used: open[i].Idle is not null))
            .OrderBy(g => g.Key);
        foreach (IGrouping<(bool Credited, bool Used), int> peers in classes)
        {
            // One queue for each network: its connections are closed in turn while it has the most.
            var networks = new PriorityQueue<Queue<int>, (int Crowd, bool Dialled, TimeSpan Idle, TimeSpan Age)>();
            foreach (IGrouping<IPAddress, int> network in peers.GroupBy(i => open[i].Network))
            {
                Add(new Queue<int>(network.OrderBy(i => Rank(open[i]))));
            }

            while (networks.TryDequeue(out Queue<int>? queue, out _))
            {
                int index = queue.Dequeue();
                CollectionsMarshal.GetValueRefOrNullRef(crowds, open[index].Network)--;
                yield return index;
                if (queue.Count > 0)
                {
                    Add(queue);
                }
            }

            void Add(Queue<int> queue)
            {
                ConnectionFacts next = open[queue.Peek()];
                (bool dialled, TimeSpan idle, TimeSpan age) = Rank(next);
                networks.Enqueue(queue, (-crowds[next.Network], dialled, idle, age));
            }
        }
    }

    /// <summary>Of otherwise equal connections the least is closed first: inbound, idle for the longest time, the newest.</summary>
    private static (bool Dialled, TimeSpan Idle, TimeSpan Age) Rank(ConnectionFacts facts) =>
        (facts.Dialled, -(facts.Idle ?? TimeSpan.Zero), facts.Age);

    /// <summary>The number of connections of each network.</summary>
    private static Dictionary<IPAddress, int> Crowds(IEnumerable<ConnectionFacts> connections) =>
        connections.GroupBy(f => f.Network).ToDictionary(g => g.Key, g => g.Count());
}
