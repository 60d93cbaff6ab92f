using System.Security.Cryptography;
using CsCheck;
using Ipcs.Blockstore;
using Ipcs.Blockstore.Memory;
using Ipcs.Dag.Chunking;
using Ipcs.Dag.Import;
using Ipcs.Multiformats;
using Ipcs.TestKit;

namespace Ipcs.Dag.Tests.Import;

public sealed class DagImporterTests
{
    [Fact]
    public void Profiles_have_names()
    {
        Assert.True(ImportProfile.TryParse("kubo-v1", out ImportProfile? v1));
        Assert.Same(ImportProfile.KuboV1, v1);
        Assert.True(ImportProfile.TryParse("kubo-v0", out ImportProfile? v0));
        Assert.Same(ImportProfile.KuboV0, v0);
        Assert.False(ImportProfile.TryParse("kubo", out _));
        Assert.False(ImportProfile.TryParse(null, out _));
    }

    [Theory]
    [InlineData(1, 1)]
    [InlineData(1, ImportProfile.MaxMaxChildren + 1)]
    [InlineData(2, 174)]
    [InlineData(-1, 174)]
    public void Profiles_have_bounds(int cidVersion, int children)
    {
        using var store = new MemoryStore();
        Assert.Throws<ArgumentException>(
            () => new DagImporter(store.Blocks, TestDag.Tiny(children: children) with { CidVersion = cidVersion }));
    }

    [Fact]
    public void The_largest_chunk_is_a_storable_block()
    {
        using var store = new MemoryStore();
        DagRoot root = TestDag.Import(
            store.Blocks, TestDag.Tiny(raw: false, chunk: ChunkerSpec.MaxChunkLength), new byte[ChunkerSpec.MaxChunkLength]);
        Assert.True(store.Blocks.TryGetLength(root.Root.Hash, out int length));
        Assert.InRange(length, ChunkerSpec.MaxChunkLength, IBlockstore.MaxBlockLength);
    }

    [Fact]
    public void Writes_of_any_sizes_make_the_same_root() =>
        Gen.Select(Gen.Int[0, 700], Gen.Int[1, 100].Array[1, 20], Gen.Bool).Sample((size, steps, raw) =>
    {
        byte[] data = Xs128.Bytes("writes", size);
        using var store = new MemoryStore();
        DagRoot expected = TestDag.Import(store.Blocks, TestDag.Tiny(raw), data);
        using var other = new MemoryStore();
        var importer = new DagImporter(other.Blocks, TestDag.Tiny(raw));
        for (int at = 0, i = 0; at < size; i++)
        {
            int step = Math.Min(steps[i % steps.Length], size - at);
            importer.Write(data.AsSpan(at, step));
            at += step;
            Assert.Equal(at, importer.Length);
            Assert.Equal(at / 16 * 16, importer.DurableLength);
        }

        Assert.Equal(expected, importer.Finish());
    });

    [Fact]
    public void An_interrupted_import_resumes() =>
        Gen.Select(Gen.Int[0, 3000], Gen.Int[0, 3000], Gen.Bool, Gen.Enum<DagLayout>()).Sample((size, stop, raw, layout) =>
    {
        stop = Math.Min(stop, size);
        byte[] data = Xs128.Bytes("resume", size);
        ImportProfile profile = TestDag.Tiny(raw) with { Layout = layout };
        using var store = new MemoryStore();
        DagRoot expected = TestDag.Import(store.Blocks, profile, data);

        using var other = new MemoryStore();
        var first = new DagImporter(other.Blocks, profile);
        first.Write(data.AsSpan(0, stop));
        byte[] state = first.ExportState();

        DagImporter second = DagImporter.Restore(other.Blocks, profile, state);
        Assert.Equal(first.DurableLength, second.DurableLength);
        Assert.Equal(second.DurableLength, second.Length);
        Assert.Equal(state, second.ExportState());
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        second.RehashInto(hash);
        Assert.Equal(SHA256.HashData(data.AsSpan(0, (int)second.DurableLength)), hash.GetCurrentHash());
        second.Write(data.AsSpan((int)second.DurableLength));
        Assert.Equal(expected, second.Finish());
    });

    [Fact]
    public void Damaged_states_are_refused()
    {
        using var store = new MemoryStore();
        var importer = new DagImporter(store.Blocks, TestDag.Tiny());
        importer.Write(Xs128.Bytes("state", 1000));
        byte[] state = importer.ExportState();
        for (int n = 0; n < state.Length; n++)
        {
            Assert.Throws<DagFormatException>(() => DagImporter.Restore(store.Blocks, TestDag.Tiny(), state.AsSpan(0, n)));
        }

        Assert.Throws<DagFormatException>(() => DagImporter.Restore(store.Blocks, TestDag.Tiny(), (byte[])[.. state, 0]));
        Assert.Throws<DagFormatException>(() => DagImporter.Restore(store.Blocks, TestDag.Tiny(raw: false), state));
        Assert.Throws<DagFormatException>(() => DagImporter.Restore(store.Blocks, ImportProfile.KuboV1, state));
        Gen.Byte.Array[0, 100].Sample(bytes =>
        {
            try
            {
                DagImporter.Restore(store.Blocks, TestDag.Tiny(), (byte[])[.. state.AsSpan(0, 13), .. bytes]);
            }
            catch (DagFormatException)
            {
                // The documented exception.
            }
        });
    }

    [Fact]
    public void A_lost_chunk_is_named()
    {
        using var store = new MemoryStore();
        var importer = new DagImporter(store.Blocks, TestDag.Tiny());
        importer.Write(Xs128.Bytes("lost", 1000));
        Cid lost = importer.Leaves().ElementAt(7);
        store.Blocks.Delete(lost.Hash);
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        Assert.Equal(lost, Assert.Throws<BlockNotFoundException>(() => importer.RehashInto(hash)).Cid);
    }

    [Fact]
    public void A_finished_import_takes_no_more()
    {
        using var store = new MemoryStore();
        var importer = new DagImporter(store.Blocks, ImportProfile.KuboV1);
        importer.Finish();
        Assert.Throws<InvalidOperationException>(() => importer.Write([1]));
        Assert.Throws<InvalidOperationException>(() => importer.Finish());
        Assert.Throws<InvalidOperationException>(() => importer.ExportState());
    }

    [Fact]
    public void Metadata_on_a_single_leaf_needs_a_node()
    {
        using var store = new MemoryStore();
        var importer = new DagImporter(store.Blocks, ImportProfile.KuboV1);
        importer.Write("hello"u8);
        DagRoot root = importer.Finish(0x1ed, null);
        Assert.Equal(Multicodec.DagPb, root.Root.Codec);
        Assert.Equal(5, root.Size);
        using System.Buffers.IMemoryOwner<byte> block = store.Blocks.Get(root.Root.Hash)!;
        Assert.Equal("0a0e0802120568656c6c6f180538ed03", Convert.ToHexStringLower(block.Memory.Span));
    }

    [Theory]
    [InlineData("rabin-1000-20000-60000")]
    [InlineData("rabin-16-64-99")]
    [InlineData("size-1000")]
    [InlineData("buzhash")]
    public async Task Streams_make_the_same_root_as_writes(string words)
    {
        Assert.True(ChunkerSpec.TryParse(words, out ChunkerSpec? spec, out _));
        ImportProfile profile = ImportProfile.KuboV0 with { Chunker = spec };
        foreach (int size in new[] { 0, 1, 98, 15_000, 16_384, 300_000, 1_000_000 })
        {
            byte[] data = Xs128.Bytes("stream", size);
            using var store = new MemoryStore();
            using var stream = new MemoryStream(data);
            DagRoot root = await DagImport.FromStreamAsync(stream, store.Blocks, profile, null, TestContext.Current.CancellationToken);
            Assert.Equal(TestDag.Import(store.Blocks, profile, data), root);
        }
    }

    [Fact]
    public async Task Streams_are_cancelled_and_their_errors_passed_on()
    {
        using var store = new MemoryStore();
        using var cancel = new CancellationTokenSource();
        var endless = new EndlessStream(after: 20, cancel.Cancel);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(
            () => DagImport.FromStreamAsync(endless, store.Blocks, TestDag.Tiny(), null, cancel.Token));
        var failing = new EndlessStream(after: 20, () => throw new IOException("gone"));
        await Assert.ThrowsAsync<IOException>(
            () => DagImport.FromStreamAsync(failing, store.Blocks, TestDag.Tiny(), null, TestContext.Current.CancellationToken));
    }

    private sealed class EndlessStream(int after, Action then) : Stream
    {
        private int _reads;

        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => false;

        public override long Length => throw new NotSupportedException();

        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            if (++_reads == after)
            {
                then();
            }

            cancellationToken.ThrowIfCancellationRequested();
            buffer.Span.Fill((byte)_reads);
            return ValueTask.FromResult(buffer.Length);
        }

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override void Flush() => throw new NotSupportedException();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    }
}
