using Ipcs.Multiformats;

namespace Ipcs.Dag.Read;

/// <summary>The inner nodes used last, up to a total number of children.</summary>
internal sealed class NodeCache
{
    /// <summary>
    /// Enough for 180 GB of a file with 174 children per node; takes at most some 10 MB.
    /// </summary>
    private const int Budget = 1 << 17;

    private readonly Dictionary<Cid, LinkedListNode<(Cid Cid, InnerNode Node)>> _nodes = [];
    private readonly LinkedList<(Cid Cid, InnerNode Node)> _order = new();
    private int _cost;

    public InnerNode? Get(Cid cid)
    {
        if (!_nodes.TryGetValue(cid, out LinkedListNode<(Cid Cid, InnerNode Node)>? entry))
        {
            return null;
        }

        _order.Remove(entry);
        _order.AddFirst(entry);
        return entry.Value.Node;
    }

    public void Add(Cid cid, InnerNode node)
    {
        if (_nodes.ContainsKey(cid))
        {
            return;
        }

        _nodes.Add(cid, _order.AddFirst((cid, node)));
        _cost += node.Cost;
        while (_cost > Budget && _order.Count > 1)
        {
            (Cid oldest, InnerNode old) = _order.Last!.Value;
            _order.RemoveLast();
            _nodes.Remove(oldest);
            _cost -= old.Cost;
        }
    }
}
