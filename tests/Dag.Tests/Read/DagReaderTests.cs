using CsCheck;
using Ipcs.Blockstore.Memory;
using Ipcs.Dag.DagPb;
using Ipcs.Dag.Import;
using Ipcs.Dag.Read;
using Ipcs.Dag.UnixFs;
using Ipcs.Multiformats;
using Ipcs.TestKit;

namespace Ipcs.Dag.Tests.Read;

public sealed class DagReaderTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Any_range_is_read_back() =>
        await Gen.Select(Gen.Int[0, 1500], Gen.Bool, Gen.Int[0, 5], Gen.Select(Gen.Int[0, 1600], Gen.Int[0, 300]).Array[1, 10]).SampleAsync(
            async (size, raw, ahead, ranges) =>
        {
            byte[] data = Xs128.Bytes("ranges", size);
            using var store = new MemoryStore();
            DagRoot root = TestDag.Import(store.Blocks, TestDag.Tiny(raw), data);
            var source = new TestSource(store.Blocks);
            await using (DagReader reader = await DagReader.OpenAsync(root.Root, source, ahead, CancellationToken.None))
            {
                Assert.Equal(size, reader.Length);
                foreach ((int offset, int length) in ranges)
                {
                    byte[] expected = offset >= size ? [] : data[offset..Math.Min(size, offset + length)];
                    byte[] buffer = new byte[length];
                    int n = await reader.ReadAsync(offset, buffer, CancellationToken.None);
                    Assert.Equal(expected, buffer[..n]);
                    using var stream = new MemoryStream();
                    Assert.Equal(expected.Length, await reader.CopyToAsync(stream, offset, length, CancellationToken.None));
                    Assert.Equal(expected, stream.ToArray());
                }
            }

            Assert.Equal(0, source.Held);
        }, iter: 300);

    [Theory]
    [InlineData(0, true)]
    [InlineData(4, true)]
    [InlineData(0, false)]
    [InlineData(4, false)]
    public async Task Small_sequential_reads_get_each_block_once(int ahead, bool raw)
    {
        byte[] data = Xs128.Bytes("sequence", 20_000);
        using var store = new MemoryStore();
        DagRoot root = TestDag.Import(store.Blocks, TestDag.Tiny(raw, chunk: 256, children: 5), data);
        var source = new TestSource(store.Blocks);
        await using (DagReader reader = await DagReader.OpenAsync(root.Root, source, ahead, Token))
        {
            byte[] buffer = new byte[32];
            for (int offset = 0; offset < data.Length; offset += buffer.Length)
            {
                int n = await reader.ReadAsync(offset, buffer, Token);
                Assert.Equal(data.AsSpan(offset, n), buffer.AsSpan(0, n));
                Assert.InRange(source.Held, 0, ahead + 1);
            }
        }

        Assert.Equal(root.Blocks, source.Asked.Count);
        Assert.Equal(root.Blocks, source.Asked.Distinct().Count());
        Assert.Equal(0, source.Held);
    }

    [Fact]
    public async Task A_repeated_block_is_fetched_once()
    {
        using var store = new MemoryStore();
        DagRoot root = TestDag.Import(store.Blocks, TestDag.Tiny(), new byte[16 * 9]);
        var source = new TestSource(store.Blocks);
        await using DagReader reader = await DagReader.OpenAsync(root.Root, source, 3, Token);
        using var stream = new MemoryStream();
        await reader.CopyToAsync(stream, 0, long.MaxValue, Token);
        Assert.Equal(new byte[16 * 9], stream.ToArray());
        Assert.Equal(3, source.Asked.Count);
    }

    [Fact]
    public async Task Leaves_ahead_are_requested_together()
    {
        byte[] data = Xs128.Bytes("ahead", 16 * 9);
        using var store = new MemoryStore();
        DagRoot root = TestDag.Import(store.Blocks, TestDag.Tiny(children: 9), data);
        var answers = new TaskCompletionSource();
        var source = new TestSource(store.Blocks);
        await using DagReader reader = await DagReader.OpenAsync(root.Root, source, 3, Token);
        source.Before = (_, cancel) => answers.Task.WaitAsync(cancel);
        byte[] buffer = new byte[data.Length];
        ValueTask<int> reading = reader.ReadAsync(0, buffer, Token);
        Assert.Equal(1 + 4, source.Asked.Count);
        await Assert.ThrowsAsync<InvalidOperationException>(async () => await reader.ReadAsync(0, buffer, Token));
        answers.SetResult();
        Assert.Equal(data.Length, await reading);
        Assert.Equal(data, buffer);
        Assert.Equal(10, source.Asked.Count);
    }

    [Fact]
    public async Task A_seek_cancels_requests_ahead()
    {
        byte[] data = Xs128.Bytes("seek", 16 * 9);
        using var store = new MemoryStore();
        DagRoot root = TestDag.Import(store.Blocks, TestDag.Tiny(children: 9), data);
        var source = new TestSource(store.Blocks);
        await using DagReader reader = await DagReader.OpenAsync(root.Root, source, 3, Token);
        int stopped = 0;
        var all = new TaskCompletionSource();
        Cid first = Cid.V1(Multicodec.Raw, Multihash.Sha256(data.AsSpan(0, 16)));
        source.Before = async (cid, cancel) =>
        {
            if (cid == first)
            {
                return;
            }

            var never = new TaskCompletionSource();
            await using (cancel.Register(() => never.TrySetCanceled(cancel)))
            {
                try
                {
                    await never.Task;
                }
                finally
                {
                    if (Interlocked.Increment(ref stopped) == 3)
                    {
                        all.SetResult();
                    }
                }
            }
        };
        byte[] buffer = new byte[16];
        Assert.Equal(16, await reader.ReadAsync(0, buffer, Token));
        source.Before = null;
        Assert.Equal(16, await reader.ReadAsync(16 * 8, buffer, Token));
        Assert.Equal(data[(16 * 8)..], buffer);
        await all.Task.WaitAsync(TimeSpan.FromSeconds(30), Token);
    }

    [Fact]
    public async Task A_failed_request_ahead_is_repeated()
    {
        byte[] data = Xs128.Bytes("again", 16 * 5);
        using var store = new MemoryStore();
        DagRoot root = TestDag.Import(store.Blocks, TestDag.Tiny(children: 9), data);
        var source = new TestSource(store.Blocks);
        await using DagReader reader = await DagReader.OpenAsync(root.Root, source, 4, Token);
        var failed = new HashSet<Cid> { Cid.V1(Multicodec.Raw, Multihash.Sha256(data.AsSpan(0, 16))) };
        source.Before = (cid, _) => failed.Add(cid) ? Task.FromException(new IOException("a peer went away")) : Task.CompletedTask;
        byte[] buffer = new byte[data.Length];
        Assert.Equal(data.Length, await reader.ReadAsync(0, buffer, Token));
        Assert.Equal(data, buffer);
    }

    [Fact]
    public async Task A_missing_block_is_named_and_others_are_still_read()
    {
        byte[] data = Xs128.Bytes("missing", 16 * 9);
        using var store = new MemoryStore();
        DagRoot root = TestDag.Import(store.Blocks, TestDag.Tiny(), data);
        Cid missing = Cid.V1(Multicodec.Raw, Multihash.Sha256(data.AsSpan(64, 16)));
        store.Blocks.Delete(missing.Hash);
        await using DagReader reader = await DagReader.OpenAsync(root.Root, new LocalBlockSource(store.Blocks), Token);
        byte[] buffer = new byte[data.Length];
        BlockNotFoundException error = await Assert.ThrowsAsync<BlockNotFoundException>(
            async () => await reader.ReadAsync(0, buffer, Token));
        Assert.Equal(missing, error.Cid);
        Assert.Equal(64, await reader.ReadAsync(80, buffer.AsMemory(0, 64), Token));
        Assert.Equal(data.AsSpan(80), buffer.AsSpan(0, 64));
        Assert.False(DagVerify.IsComplete(store.Blocks, root.Root, Token));
        Assert.Equal([missing], DagVerify.Missing(store.Blocks, root.Root, Token));
        await Assert.ThrowsAsync<BlockNotFoundException>(() => DagReader.OpenAsync(missing, new LocalBlockSource(store.Blocks), Token));
    }

    [Fact]
    public async Task A_reader_can_be_used_after_a_cancelled_read()
    {
        byte[] data = Xs128.Bytes("cancel", 16 * 9);
        using var store = new MemoryStore();
        DagRoot root = TestDag.Import(store.Blocks, TestDag.Tiny(), data);
        var source = new TestSource(store.Blocks);
        await using (DagReader reader = await DagReader.OpenAsync(root.Root, source, 2, Token))
        {
            using var cancel = new CancellationTokenSource();
            source.Before = (_, token) => new TaskCompletionSource().Task.WaitAsync(token);
            byte[] buffer = new byte[data.Length];
            ValueTask<int> reading = reader.ReadAsync(0, buffer, cancel.Token);
            await cancel.CancelAsync();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await reading);
            source.Before = null;
            Assert.Equal(data.Length - 40, await reader.ReadAsync(40, buffer, Token));
            Assert.Equal(data.AsSpan(40), buffer.AsSpan(0, data.Length - 40));
        }

        Assert.Equal(0, source.Held);
    }

    [Fact]
    public async Task Inline_bytes_come_before_the_children()
    {
        using var store = new MemoryStore();
        Cid raw = TestDag.Put(store.Blocks, "-raw"u8.ToArray(), Multicodec.Raw);
        Cid old = TestDag.Put(store.Blocks, new DagPbNode(
            [], new UnixFsData { Type = UnixFsType.Raw, Data = "-old"u8.ToArray(), FileSize = 4 }.Encode()).Encode());
        Cid empty = TestDag.Put(store.Blocks, [], Multicodec.Raw);
        Cid inner = TestDag.Put(store.Blocks, TestDag.Node(9, "-node"u8.ToArray(), (raw, 4)));
        Cid root = TestDag.Put(store.Blocks, TestDag.Node(
            21, "root"u8.ToArray(), (empty, 0), (old, 4), (empty, 0), (inner, 9), (empty, 0), (raw, 4), (empty, 0)));
        const string Expected = "root-old-node-raw-raw";
        await using DagReader reader = await DagReader.OpenAsync(root, new TestSource(store.Blocks), 4, Token);
        for (int offset = 0; offset <= Expected.Length; offset++)
        {
            byte[] buffer = new byte[30];
            int n = await reader.ReadAsync(offset, buffer, Token);
            Assert.Equal(Expected[offset..], System.Text.Encoding.ASCII.GetString(buffer, 0, n));
        }
    }

    [Fact]
    public async Task Children_with_another_length_than_their_parent_states_are_refused()
    {
        using var store = new MemoryStore();
        Cid leaf = TestDag.Put(store.Blocks, "leaf"u8.ToArray(), Multicodec.Raw);
        Cid inner = TestDag.Put(store.Blocks, TestDag.Node(8, null, (leaf, 4), (leaf, 4)));
        foreach (byte[] block in new[]
        {
            TestDag.Node(5, null, (leaf, 5)),
            TestDag.Node(3, null, (leaf, 3)),
            TestDag.Node(9, null, (inner, 9)),
            TestDag.Node(12, null, (inner, 8), (inner, 4)),
            TestDag.Node(9, null, (leaf, 4), (leaf, 5)),
            TestDag.Node(1L << 40, null, (leaf, 1L << 40)),
            TestDag.Node((1L << 40) + 8, null, (inner, 8), (inner, 1L << 40)),
        })
        {
            Cid root = TestDag.Put(store.Blocks, block);
            foreach (int ahead in new[] { 0, 4 })
            {
                await using DagReader reader = await DagReader.OpenAsync(root, new TestSource(store.Blocks), ahead, Token);
                await Assert.ThrowsAsync<DagFormatException>(async () => await reader.ReadAsync(0, new byte[100], Token));
            }
        }
    }

    [Fact]
    public async Task Roots_that_are_no_files_are_refused()
    {
        using var store = new MemoryStore();
        Cid leaf = TestDag.Put(store.Blocks, "leaf"u8.ToArray(), Multicodec.Raw);
        byte[] block = TestDag.Node(4, null, (leaf, 4));
        foreach (Cid root in new[]
        {
            TestDag.Put(store.Blocks, []),
            TestDag.Put(store.Blocks, "garbage"u8.ToArray()),
            TestDag.Put(store.Blocks, TestDag.Node(5, null, (leaf, 4))),
            TestDag.Put(store.Blocks, TestDag.Node(0, null, (leaf, long.MaxValue), (leaf, long.MaxValue))),
            TestDag.Put(store.Blocks, new DagPbNode([], new UnixFsData { Type = UnixFsType.Directory }.Encode()).Encode()),
            TestDag.Put(store.Blocks, new DagPbNode(
                [new DagPbLink(leaf, "", 4)], new UnixFsData { Type = UnixFsType.File, FileSize = 0 }.Encode()).Encode()),
            TestDag.Put(store.Blocks, new DagPbNode(
                [new DagPbLink(leaf, "", 4)], new UnixFsData { Type = UnixFsType.Raw, BlockSizes = [4] }.Encode()).Encode()),
            TestDag.Put(store.Blocks, block, codec: 0x71),
        })
        {
            await Assert.ThrowsAsync<DagFormatException>(() => DagReader.OpenAsync(root, new LocalBlockSource(store.Blocks), Token));
        }
    }

    [Fact]
    public async Task Dags_that_are_too_deep_are_refused()
    {
        using var store = new MemoryStore();
        Cid cid = TestDag.Put(store.Blocks, [1], Multicodec.Raw);
        for (int depth = 0; depth < DagReader.MaxDepth; depth++)
        {
            cid = TestDag.Put(store.Blocks, TestDag.Node(1, null, (cid, 1)));
        }

        byte[] buffer = new byte[1];
        await using (DagReader deep = await DagReader.OpenAsync(cid, new LocalBlockSource(store.Blocks), Token))
        {
            Assert.Equal(1, await deep.ReadAsync(0, buffer, Token));
        }

        cid = TestDag.Put(store.Blocks, TestDag.Node(1, null, (cid, 1)));
        await using DagReader deeper = await DagReader.OpenAsync(cid, new TestSource(store.Blocks), 4, Token);
        await Assert.ThrowsAsync<DagFormatException>(async () => await deeper.ReadAsync(0, buffer, Token));
    }

    [Fact]
    public async Task Identity_blocks_need_no_source()
    {
        using var store = new MemoryStore();
        Cid root = Cid.V1(Multicodec.Raw, new Multihash(Multihash.Identity, "tiny"u8));
        await using DagReader reader = await DagReader.OpenAsync(root, new LocalBlockSource(store.Blocks), Token);
        byte[] buffer = new byte[10];
        Assert.Equal(4, await reader.ReadAsync(0, buffer, Token));
        Assert.True(DagVerify.IsComplete(store.Blocks, root, Token));
    }

    [Fact]
    public async Task A_disposed_reader_reads_nothing()
    {
        using var store = new MemoryStore();
        DagRoot root = TestDag.Import(store.Blocks, TestDag.Tiny(), new byte[100]);
        DagReader reader = await DagReader.OpenAsync(root.Root, new LocalBlockSource(store.Blocks), Token);
        await reader.DisposeAsync();
        await reader.DisposeAsync();
        await Assert.ThrowsAsync<ObjectDisposedException>(async () => await reader.ReadAsync(0, new byte[1], Token));
    }
}
