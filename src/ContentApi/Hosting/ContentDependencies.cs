using Ipcs.Blockstore;

namespace Ipcs.ContentApi.Hosting;

/// <summary>What the content service works with. The service disposes none of it.</summary>
/// <param name="Store">The blocks and the tables.</param>
/// <param name="Fleet">Finds and fetches contents that are not in the store.</param>
/// <param name="Catalog">Makes every change to the content index; the fleet's fetcher uses the same instance.</param>
public sealed record ContentDependencies(IStore Store, IContentFleet Fleet, ContentCatalog Catalog);
