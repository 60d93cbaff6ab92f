namespace Ipcs.Blockstore.Tests;

public sealed class MemoryStoreTests : StoreConformance
{
    protected override IStore Open() => new MemoryStore();
}
