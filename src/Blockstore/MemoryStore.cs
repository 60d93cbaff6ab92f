using Ipcs.Blockstore.Memory;
using Ipcs.Blockstore.Tables;
using Ipcs.Multiformats;

namespace Ipcs.Blockstore;

/// <summary>
/// All the tables in memory: the twin of <see cref="RocksStore"/> for tests and for nodes that keep nothing.
/// Nothing bounds it but what is put. It holds records in the same encoded form as the store on disk.
/// </summary>
public sealed class MemoryStore : IStore
{
    private readonly Lock _gate = new();
    private readonly GcBarrier _blockGate = new();
    private readonly MemoryBlocks _blocks;
    private readonly MemoryTable _contents;
    private readonly MemoryTable _ingests;
    private volatile bool _disposed;

    /// <summary>An empty store.</summary>
    public MemoryStore()
    {
        _blocks = new MemoryBlocks(this, _blockGate);
        _contents = new MemoryTable(this, _gate);
        _ingests = new MemoryTable(this, _gate);
        Contents = new ContentTable(_contents);
        Ingests = new IngestTable(_ingests);
        Pins = new PinTable(new MemoryTable(this, _gate));
        Provides = new ProvideTable(new MemoryTable(this, _gate));
        Peers = new PeerTable(new MemoryTable(this, _gate));
        Metadata = new MetadataTable(new MemoryTable(this, _gate));
    }

    /// <inheritdoc/>
    public IBlockstore Blocks => _blocks;

    /// <inheritdoc/>
    public IContentIndex Contents { get; }

    /// <inheritdoc/>
    public IPinStore Pins { get; }

    /// <inheritdoc/>
    public IIngestStore Ingests { get; }

    /// <inheritdoc/>
    public IProvideStore Provides { get; }

    /// <inheritdoc/>
    public IPeerStore Peers { get; }

    /// <inheritdoc/>
    public IMetadataTable Metadata { get; }

    /// <inheritdoc/>
    public void Commit(ContentRecord content, string? ingestRef)
    {
        byte[] key = RecordCodec.Key(content.Digest);
        byte[] value = RecordCodec.Encode(content);
        byte[]? ingest = ingestRef is null ? null : RecordCodec.Key(ingestRef);
        lock (_gate)
        {
            _contents.Put(key, value, Durability.Synced);
            if (ingest is not null)
                _ingests.Delete(ingest, sync: true);
        }
    }

    /// <inheritdoc/>
    public GcLease LeaseTouched()
    {
        ThrowIfDisposed();
        return _blockGate.Open();
    }

    /// <inheritdoc/>
    public GcLease LeaseDag(in Cid root)
    {
        ThrowIfDisposed();
        return _blockGate.LeaseDag(root);
    }

    /// <inheritdoc/>
    public Collection BeginCollection()
    {
        ThrowIfDisposed();
        return new Collection(_blockGate, _blocks);
    }

    /// <inheritdoc/>
    public void Compact() => ThrowIfDisposed();

    /// <inheritdoc/>
    public StoreStatistics GetStatistics()
    {
        ThrowIfDisposed();
        return new StoreStatistics(_blocks.Count, _blocks.BlockBytes, _blocks.Bytes, _contents.Count);
    }

    /// <inheritdoc/>
    public void Dispose() => _disposed = true;

    internal void ThrowIfDisposed() => ObjectDisposedException.ThrowIf(_disposed, this);
}
