using Ipcs.Bitswap.Exchange;
using Ipcs.Blockstore;
using Ipcs.Dag.Import;
using Ipcs.Fleet.Growing;
using Ipcs.Fleet.Locating;
using Ipcs.Fleet.Resolve;
using Ipcs.Libp2p;
using Ipcs.Multiformats;
using Microsoft.Extensions.Logging;
using IHost = Ipcs.Libp2p.IHost;

namespace Ipcs.Fleet;

/// <summary>What every fetch of a <see cref="ContentFetcher"/> works with, which owns it.</summary>
internal sealed record FetchServices(
    IHost Host,
    IStore Store,
    ContentCatalog Catalog,
    BitswapService Bitswap,
    ContentLocator Locator,
    LocalResolver Local,
    ProviderSearch Search,
    GrowingContents Growing,
    ImportProfile Profile,
    TimeProvider Time,
    TaskScheduler Work,
    TaskTracker Background,
    ILogger Logger)
{
    /// <summary>The peers that are getting a content which this node can fetch from them, each with what it says of it.</summary>
    public IReadOnlyList<(PeerId Peer, GrowingPart Part)> GrowersOf(Digest digest) =>
        [.. Locator.Growing(digest).Where(g => Growing.CanGrow(g.Part.Profile, g.Part.Size))];
}
