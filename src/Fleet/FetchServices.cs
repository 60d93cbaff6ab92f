using Ipcs.Bitswap.Exchange;
using Ipcs.Blockstore;
using Ipcs.Dag.Import;
using Ipcs.Fleet.Growing;
using Ipcs.Fleet.Locating;
using Ipcs.Libp2p;
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
    ILogger Logger);
