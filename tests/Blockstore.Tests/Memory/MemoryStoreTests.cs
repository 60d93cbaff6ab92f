using Ipcs.Blockstore.Memory;

namespace Ipcs.Blockstore.Tests.Memory;

public sealed class MemoryStoreTests : StoreConformance
{
    protected override IStore Open() => new MemoryStore();
}
