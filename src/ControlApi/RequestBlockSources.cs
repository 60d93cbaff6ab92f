using Ipcs.Blockstore;
using Ipcs.Fleet;
using IHost = Ipcs.Libp2p.IHost;

namespace Ipcs.ControlApi;

/// <summary>The parts of the node that a <see cref="RequestBlocks"/> reads from. Opens one for each request.</summary>
internal sealed record RequestBlockSources(IStore Store, ContentCatalog Catalog, ContentFetcher Fetcher, IHost Host, TimeProvider Time)
{
    /// <summary>Opens the blocks for a request. The caller disposes them.</summary>
    public RequestBlocks Open(ApiRequest request) => new(this, request);
}
