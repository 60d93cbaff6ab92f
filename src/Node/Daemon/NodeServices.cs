using Ipcs.Bitswap;
using Ipcs.Blockstore;
using Ipcs.ContentApi.Reading;
using Ipcs.Node.Options;
using Ipcs.Node.Repo;

namespace Ipcs.Node.Daemon;

/// <summary>The parts of a running node, as its doors use them. Owned by <see cref="NodeDaemon"/>.</summary>
internal sealed record NodeServices(NodeOptions Options, IStore Store, ContentUpdates Updates, Libp2p.Swarm.Host Host, BitswapService Bitswap, Fleet.Fleet Fleet)
{
    /// <summary>Takes what nothing needs.</summary>
    public required GarbageCollector Collector { get; init; }

    /// <summary>What containerd has lately begun to read.</summary>
    public required RecentReads RecentReads { get; init; }

    /// <summary>Finds peers and contents beyond the connections.</summary>
    public required Routing.NodeRouting Routing { get; init; }
}
