using Ipcs.Blockstore;

namespace Ipcs.ContentApi.Hosting;

/// <summary>What the content service works on. None of it is disposed by the service.</summary>
/// <param name="Store">Where contents are.</param>
/// <param name="Fleet">Who may have what is not there.</param>
/// <param name="Updates">Through which every change to the index goes; the fleet has the same.</param>
public sealed record ContentDependencies(IStore Store, IContentFleet Fleet, ContentCatalog Updates);
