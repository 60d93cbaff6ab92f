using Ipcs.Blockstore;
using Ipcs.Fleet;
using IHost = Ipcs.Libp2p.IHost;

namespace Ipcs.ControlApi;

/// <summary>Opens a <see cref="RequestBlocks"/> for each request: the parts of the node that it reads from.</summary>
internal sealed record RequestBlockSources(IStore Store, ContentCatalog Catalog, ContentFetcher Fetcher, IHost Host, TimeProvider Time)
{
    /// <summary>The blocks for one request. The caller disposes them.</summary>
    public RequestBlocks Open(ApiRequest request) => new(this, request);
}
