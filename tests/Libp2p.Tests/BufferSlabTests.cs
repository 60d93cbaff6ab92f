namespace Ipcs.Libp2p.Tests;

public sealed class BufferSlabTests
{
    private const string Purpose = "buffer slab test";

    [Fact]
    public void The_buffer_returned_last_is_rented_first()
    {
        var slab = new BufferSlab(Purpose, 100, 3);
        PooledBuffer a = slab.Rent(1), b = slab.Rent(100);
        slab.Return(b);
        slab.Return(a);
        Assert.Equal(a, slab.Rent(50));
        Assert.Equal(b, slab.Rent(50));
        slab.Return(a);
        slab.Return(b);
    }

    [Fact]
    public void Buffers_do_not_overlap()
    {
        var slab = new BufferSlab(Purpose, 100, 3);
        PooledBuffer[] all = [slab.Rent(100), slab.Rent(100), slab.Rent(100)];
        for (int i = 0; i < all.Length; i++)
        {
            Assert.Equal(100, all[i].Memory.Length);
            all[i].Memory.Span.Fill((byte)i);
        }

        Assert.All(all, (buffer, i) => Assert.Equal(-1, buffer.Memory.Span.IndexOfAnyExcept((byte)i)));
        Array.ForEach(all, slab.Return);
    }

    [Fact]
    public void Longer_buffers_and_more_of_them_come_from_the_shared_pool()
    {
        var slab = new BufferSlab(Purpose, 100, 1);
        PooledBuffer longer = slab.Rent(101), own = slab.Rent(100), more = slab.Rent(100);
        Assert.True(longer.Memory.Length >= 101);
        Assert.True(more.Memory.Length >= 100);
        Assert.Null(longer.Place);
        Assert.Null(more.Place);
        slab.Return(longer);
        slab.Return(more);
        slab.Return(own);
        Assert.Equal(own, slab.Rent(100));
        slab.Return(own);
    }

    [Fact]
    public void A_buffer_is_never_rented_twice_at_the_same_time()
    {
        var slab = new BufferSlab(Purpose, 64, 8);
        Parallel.For(0, 20_000, i =>
        {
            PooledBuffer buffer = slab.Rent(64);
            Span<byte> bytes = buffer.Memory.Span[..64];
            bytes.Fill((byte)i);
            Thread.Yield();
            Assert.Equal(-1, bytes.IndexOfAnyExcept((byte)i));
            slab.Return(buffer);
        });
    }
}
