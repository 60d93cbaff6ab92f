using System.Buffers;
using Ipcs.Blockstore.Memory;
using Ipcs.Dag;
using Ipcs.Multiformats;
using Ipcs.TestKit;

namespace Ipcs.Fleet.Tests;

/// <summary>Blocks that one reader takes in order while they arrive in any order.</summary>
public sealed class ArrivingBlocksTests : IDisposable
{
    private readonly MemoryStore _store = new();
    private readonly List<Bytes> _shared = [];

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public void Dispose() => _store.Dispose();

    [Fact]
    public async Task A_block_that_arrives_in_memory_is_not_read_from_the_store()
    {
        using var arriving = new ArrivingBlocks(_store.Blocks);
        ValueTask<IMemoryOwner<byte>> waiting = arriving.GetAsync(CidOf(0), Cancel);
        arriving.Arrived(CidOf(1), Share(1));
        arriving.Arrived(CidOf(0), Share(0));
        using (IMemoryOwner<byte> first = await waiting)
        using (IMemoryOwner<byte> second = await arriving.GetAsync(CidOf(1), Cancel))
        {
            Assert.Equal(BytesOf(0), first.Memory.ToArray());
            Assert.Equal(BytesOf(1), second.Memory.ToArray());
        }

        AssertReleased();
    }

    [Fact]
    public async Task A_block_that_arrives_without_its_bytes_is_read_from_the_store()
    {
        using var arriving = new ArrivingBlocks(_store.Blocks);
        ValueTask<IMemoryOwner<byte>> waiting = arriving.GetAsync(CidOf(0), Cancel);
        Assert.False(waiting.IsCompleted);
        Store(0);
        arriving.Arrived(CidOf(0), null);
        using IMemoryOwner<byte> block = await waiting;
        Assert.Equal(BytesOf(0), block.Memory.ToArray());
    }

    [Fact]
    public async Task A_block_that_was_read_before_its_arrival_is_released()
    {
        using var arriving = new ArrivingBlocks(_store.Blocks);
        Store(0);
        (await arriving.GetAsync(CidOf(0), Cancel)).Dispose();
        arriving.Arrived(CidOf(0), Share(0));
        AssertReleased();
    }

    [Fact]
    public async Task Blocks_that_are_not_read_are_released_at_the_end()
    {
        var arriving = new ArrivingBlocks(_store.Blocks);
        arriving.Arrived(CidOf(0), Share(0));
        arriving.Arrived(CidOf(0), Share(0));
        arriving.Dispose();
        arriving.Arrived(CidOf(1), Share(1));
        AssertReleased();
        await Task.CompletedTask;
    }

    [Fact]
    public async Task A_wait_is_cancelled_and_another_one_gets_the_block()
    {
        using var arriving = new ArrivingBlocks(_store.Blocks);
        using var stop = new CancellationTokenSource();
        ValueTask<IMemoryOwner<byte>> waiting = arriving.GetAsync(CidOf(0), stop.Token);
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await waiting);
        ValueTask<IMemoryOwner<byte>> again = arriving.GetAsync(CidOf(1), Cancel);
        arriving.Arrived(CidOf(1), Share(1));
        (await again).Dispose();
        AssertReleased();
    }

    [Fact]
    public async Task After_the_last_block_a_missing_one_is_an_error()
    {
        using var arriving = new ArrivingBlocks(_store.Blocks);
        ValueTask<IMemoryOwner<byte>> waiting = arriving.GetAsync(CidOf(0), Cancel);
        arriving.Complete();
        await Assert.ThrowsAsync<BlockNotFoundException>(async () => await waiting);
        await Assert.ThrowsAsync<BlockNotFoundException>(async () => await arriving.GetAsync(CidOf(1), Cancel));
    }

    [Fact]
    public async Task Blocks_that_arrive_while_they_are_read_are_each_read_once()
    {
        const int Count = 2000;
        using var arriving = new ArrivingBlocks(_store.Blocks);
        Task fetching = Task.Run(
            () =>
            {
                var random = new Random(7);
                for (int first = 0; first < Count; first += 8)
                {
                    int[] group = [.. Enumerable.Range(first, 8)];
                    random.Shuffle(group);
                    foreach (int number in group)
                    {
                        Store(number);
                        arriving.Arrived(CidOf(number), number % 3 == 0 ? null : Share(number));
                    }
                }

                arriving.Complete();
            },
            Cancel);
        for (int number = 0; number < Count; number++)
        {
            using IMemoryOwner<byte> block = await arriving.GetAsync(CidOf(number), Cancel);
            Assert.Equal(BytesOf(number), block.Memory.ToArray());
        }

        await fetching;
        AssertReleased();
    }

    private static byte[] BytesOf(int number) => Xs128.Bytes($"block-{number}", 100);

    private static Cid CidOf(int number) => Cid.V1(Multicodec.Raw, Multihash.Sha256(BytesOf(number)));

    private void Store(int number) => _store.Blocks.Put(CidOf(number).Hash, BytesOf(number));

    private Bytes Share(int number)
    {
        var bytes = new Bytes(BytesOf(number));
        _shared.Add(bytes);
        return bytes;
    }

    private void AssertReleased() => Assert.All(_shared, bytes => Assert.Equal(1, bytes.Disposals));

    private sealed class Bytes(byte[] bytes) : IMemoryOwner<byte>
    {
        public int Disposals { get; private set; }

        public Memory<byte> Memory => Disposals == 0 ? bytes : throw new ObjectDisposedException(nameof(Bytes));

        public void Dispose() => Disposals++;
    }
}
