using System.Buffers;
using Ipcs.Blockstore;
using Ipcs.Blockstore.Memory;
using Ipcs.Multiformats;

namespace Ipcs.ContentApi.Tests;

/// <summary>A store in memory that counts look-ups and fails when a test says so.</summary>
internal sealed class BrokenStore : IStore
{
    private readonly MemoryStore _inner = new();

    public BrokenStore()
    {
        Blocks = new BrokenBlocks(this);
        Ingests = new BrokenIngests(this);
        Contents = new BrokenContents(this);
    }

    /// <summary>Every write fails while it is set.</summary>
    public volatile bool IsFull;

    /// <summary>Commits fail while it is set, and no other write.</summary>
    public volatile bool FailsCommits;

    /// <summary>Look-ups in the content index fail while it is set.</summary>
    public volatile bool FailsLookups;

    private int _lookups;
    private int _blockLookups;

    /// <summary>The number of look-ups in the content index.</summary>
    public int Lookups => Volatile.Read(ref _lookups);

    /// <summary>The number of blocks read or looked up.</summary>
    public int BlockLookups => Volatile.Read(ref _blockLookups);

    public event Action<Multihash>? BlockLost
    {
        add => _inner.BlockLost += value;
        remove => _inner.BlockLost -= value;
    }

    public IBlockstore Blocks { get; }

    public IContentIndex Contents { get; }

    public IPinStore Pins => _inner.Pins;

    public IIngestStore Ingests { get; }

    public IProvideStore Provides => _inner.Provides;

    public IPeerStore Peers => _inner.Peers;

    public IMetadataTable Metadata => _inner.Metadata;

    public void Commit(ContentRecord content, string? ingestRef)
    {
        Check();
        if (FailsCommits)
        {
            throw new StoreException("the commit fails") { IsNoSpace = true };
        }

        _inner.Commit(content, ingestRef);
    }

    public GcLease LeaseTouched() => _inner.LeaseTouched();

    public GcLease LeaseDag(in Cid root) => _inner.LeaseDag(root);

    public IGcCycle BeginCollection() => _inner.BeginCollection();

    public void Compact() => _inner.Compact();

    public StoreStatistics GetStatistics() => _inner.GetStatistics();

    public void Dispose() => _inner.Dispose();

    private void Check()
    {
        if (IsFull)
        {
            throw new StoreException("no room left") { IsNoSpace = true };
        }
    }

    private sealed class BrokenBlocks(BrokenStore store) : IBlockstore
    {
        public bool Has(in Multihash hash)
        {
            Interlocked.Increment(ref store._blockLookups);
            return store._inner.Blocks.Has(hash);
        }

        public bool TryGetLength(in Multihash hash, out int length) => store._inner.Blocks.TryGetLength(hash, out length);

        public IMemoryOwner<byte>? Get(in Multihash hash)
        {
            Interlocked.Increment(ref store._blockLookups);
            return store._inner.Blocks.Get(hash);
        }

        public void Put(in Multihash hash, ReadOnlySpan<byte> data, bool bulk = false)
        {
            store.Check();
            store._inner.Blocks.Put(hash, data, bulk);
        }

        public void Delete(in Multihash hash) => store._inner.Blocks.Delete(hash);

        public IEnumerable<(Multihash Hash, int Length)> Enumerate() => store._inner.Blocks.Enumerate();
    }

    private sealed class BrokenContents(BrokenStore store) : IContentIndex
    {
        public ContentRecord? Get(in Digest digest)
        {
            Interlocked.Increment(ref store._lookups);
            return store.FailsLookups ? throw new StoreException("the look-up fails") : store._inner.Contents.Get(digest);
        }

        public void Put(ContentRecord record, bool sync = false) => store._inner.Contents.Put(record, sync);

        public bool Delete(in Digest digest) => store._inner.Contents.Delete(digest);

        public IEnumerable<ContentRecord> Enumerate() => store._inner.Contents.Enumerate();
    }

    private sealed class BrokenIngests(BrokenStore store) : IIngestStore
    {
        public IngestRecord? Get(string reference) => store._inner.Ingests.Get(reference);

        public void Put(IngestRecord record, Durability durability = Durability.Logged)
        {
            store.Check();
            store._inner.Ingests.Put(record, durability);
        }

        public bool Delete(string reference)
        {
            store.Check();
            return store._inner.Ingests.Delete(reference);
        }

        public IEnumerable<IngestRecord> Enumerate() => store._inner.Ingests.Enumerate();
    }
}
