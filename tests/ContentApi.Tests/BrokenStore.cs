using System.Buffers;
using Ipcs.Blockstore;
using Ipcs.Blockstore.Memory;
using Ipcs.Multiformats;

namespace Ipcs.ContentApi.Tests;

/// <summary>A store in memory whose disk is full at will.</summary>
internal sealed class BrokenStore : IStore
{
    private readonly MemoryStore _inner = new();

    public BrokenStore()
    {
        Blocks = new BrokenBlocks(this);
        Ingests = new BrokenIngests(this);
    }

    /// <summary>Nothing can be written while it is set.</summary>
    public volatile bool IsFull;

    /// <summary>Commits fail while it is set, and nothing else.</summary>
    public volatile bool FailsCommits;

    public IBlockstore Blocks { get; }

    public IContentIndex Contents => _inner.Contents;

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
        public bool Has(in Multihash hash) => store._inner.Blocks.Has(hash);

        public bool TryGetLength(in Multihash hash, out int length) => store._inner.Blocks.TryGetLength(hash, out length);

        public IMemoryOwner<byte>? Get(in Multihash hash) => store._inner.Blocks.Get(hash);

        public void Put(in Multihash hash, ReadOnlySpan<byte> data, bool bulk = false)
        {
            store.Check();
            store._inner.Blocks.Put(hash, data, bulk);
        }

        public void Delete(in Multihash hash) => store._inner.Blocks.Delete(hash);

        public IEnumerable<(Multihash Hash, int Length)> Enumerate() => store._inner.Blocks.Enumerate();
    }

    private sealed class BrokenIngests(BrokenStore store) : IIngestStore
    {
        public IngestRecord? Get(string reference) => store._inner.Ingests.Get(reference);

        public void Put(IngestRecord record, Durability keeping = Durability.Logged)
        {
            store.Check();
            store._inner.Ingests.Put(record, keeping);
        }

        public bool Delete(string reference)
        {
            store.Check();
            return store._inner.Ingests.Delete(reference);
        }

        public IEnumerable<IngestRecord> Enumerate() => store._inner.Ingests.Enumerate();
    }
}
