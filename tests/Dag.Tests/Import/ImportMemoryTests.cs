using System.Buffers;
using System.Numerics;
using System.Security.Cryptography;
using Ipcs.Blockstore;
using Ipcs.Dag.Chunking;
using Ipcs.Dag.Import;
using Ipcs.Multiformats;

namespace Ipcs.Dag.Tests.Import;

/// <summary>The importer's bounds. Not run in parallel, since it measures the whole process.</summary>
[CollectionDefinition(nameof(ImportMemoryTests), DisableParallelization = true)]
[Collection(nameof(ImportMemoryTests))]
public sealed class ImportMemoryTests
{
    private const int Length = 256 << 20;

    [Theory]
    [InlineData("size-262144")]
    [InlineData("buzhash")]
    public async Task Memory_does_not_grow_with_the_file(string chunker)
    {
        Assert.True(ChunkerSpec.TryParse(chunker, out ChunkerSpec? spec, out _));
        ImportProfile profile = ImportProfile.KuboV1 with { Chunker = spec };
        var store = new CountingStore();
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        long before = GC.GetTotalAllocatedBytes(precise: true);
        DagRoot root = await DagImport.FromStreamAsync(
            new PatternStream(Length), store, profile, hash, TestContext.Current.CancellationToken);
        long allocated = GC.GetTotalAllocatedBytes(precise: true) - before;
        Assert.Equal(Length, root.Size);
        Assert.Equal(root.Blocks, store.Puts);

        // The buffers, as long as the pool makes them and twice, since a thread keeps one that it gave back; and per chunk some tasks and a
        // few links: a thirtieth of it.
        long buffer = BitOperations.RoundUpToPowerOf2((uint)spec.MaxLength + 1);
        long bound = (2 * DagImport.MaxChunksInMemory * buffer) + (8192 * root.Blocks) + (1 << 20);
        Assert.InRange(allocated, 1, bound);
        Assert.InRange(store.MostAtOnce, 1, DagImport.MaxChunksInMemory);
    }

    [Fact]
    public async Task Each_byte_is_stored_once()
    {
        var store = new CountingStore();
        DagRoot root = await DagImport.FromStreamAsync(
            new PatternStream(10_000_000), store, ImportProfile.KuboV0, null, TestContext.Current.CancellationToken);
        Assert.Equal(root.Blocks, store.Puts);
        Assert.Equal(root.DagSize, store.Bytes);
    }

    [Fact]
    public async Task A_failing_store_fails_the_import()
    {
        var store = new CountingStore { FailAt = 7 };
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        StoreException e = await Assert.ThrowsAsync<StoreException>(
            () => DagImport.FromStreamAsync(
                new PatternStream(50_000_000), store, ImportProfile.KuboV1, hash, TestContext.Current.CancellationToken));
        Assert.Equal("full", e.Message);
        Assert.Equal(0, store.Running);
        Assert.InRange(store.Puts, 7, 7 + DagImport.MaxChunksInMemory);
    }

    /// <summary>A store that counts blocks and discards them.</summary>
    private sealed class CountingStore : IBlockstore
    {
        private long _puts;
        private long _bytes;
        private int _running;
        private int _most;

        public long FailAt { get; init; } = long.MaxValue;

        public long Puts => Interlocked.Read(ref _puts);

        public long Bytes => Interlocked.Read(ref _bytes);

        public int Running => Volatile.Read(ref _running);

        public int MostAtOnce => Volatile.Read(ref _most);

        public void Put(in Multihash hash, ReadOnlySpan<byte> data, bool bulk = false)
        {
            int running = Interlocked.Increment(ref _running);
            for (int most = MostAtOnce; running > most; most = MostAtOnce)
            {
                Interlocked.CompareExchange(ref _most, running, most);
            }

            Interlocked.Add(ref _bytes, data.Length);
            long put = Interlocked.Increment(ref _puts);
            Interlocked.Decrement(ref _running);
            if (put >= FailAt)
            {
                throw new StoreException("full");
            }
        }

        public bool Has(in Multihash hash) => false;

        public bool TryGetLength(in Multihash hash, out int length)
        {
            length = 0;
            return false;
        }

        public IMemoryOwner<byte>? Get(in Multihash hash) => null;

        public void Delete(in Multihash hash)
        {
        }

        public IEnumerable<(Multihash Hash, int Length)> Enumerate() => [];
    }

    /// <summary>Generates a number of bytes, in pieces of odd lengths.</summary>
    private sealed class PatternStream(long length) : Stream
    {
        private readonly byte[] _pattern = RandomNumberGenerator.GetBytes(100_003);
        private long _position;

        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => false;

        public override long Length => length;

        public override long Position { get => _position; set => throw new NotSupportedException(); }

        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            int at = (int)(_position % _pattern.Length);
            int n = (int)Math.Min(Math.Min(buffer.Length, _pattern.Length - at), length - _position);
            _pattern.AsSpan(at, n).CopyTo(buffer.Span);
            _position += n;
            return ValueTask.FromResult(n);
        }

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override void Flush() => throw new NotSupportedException();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    }
}
