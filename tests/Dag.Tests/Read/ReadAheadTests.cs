using Ipcs.Blockstore.Memory;
using Ipcs.Dag.Read;
using Ipcs.Multiformats;

namespace Ipcs.Dag.Tests.Read;

public sealed class ReadAheadTests
{
    [Fact]
    public async Task Disposal_waits_for_requests_that_are_running_and_disposes_their_blocks()
    {
        using var store = new MemoryStore();
        Cid cid = TestDag.Put(store.Blocks, [1, 2, 3], codec: Multicodec.Raw);
        var gate = new TaskCompletionSource();
        var source = new TestSource(store.Blocks) { Before = (_, _) => gate.Task };
        var ahead = new ReadAhead(source, 4);
        ahead.Ask(cid);
        Task disposal = ahead.DisposeAsync().AsTask();
        Assert.False(disposal.IsCompleted);
        gate.SetResult();
        await disposal;
        Assert.Equal(0, source.Held);
    }
}
