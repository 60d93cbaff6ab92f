using Ipcs.Bitswap;
using Ipcs.Blockstore;
using Ipcs.Node.Options;

namespace Ipcs.Node.Daemon;

/// <summary>The parts of a running node, as its doors use them. Owned by <see cref="NodeDaemon"/>.</summary>
internal sealed record NodeServices(NodeOptions Options, IStore Store, ContentUpdates Updates, Libp2p.Swarm.Host Host, BitswapService Bitswap, Fleet.Fleet Fleet);
