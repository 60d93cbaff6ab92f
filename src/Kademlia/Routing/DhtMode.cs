namespace Ipcs.Kademlia.Routing;

/// <summary>The network that a DHT spans.</summary>
public enum DhtMode
{
    /// <summary>A private network, <c>/ipfs/lan/kad/1.0.0</c>: private addresses are sent and accepted.</summary>
    Lan,

    /// <summary>The public network, <c>/ipfs/kad/1.0.0</c>: only public addresses are sent and accepted.</summary>
    Wan,
}
