using Ipcs.Blockstore.Gc;
using Ipcs.Blockstore.Tables;
using Ipcs.Multiformats;

namespace Ipcs.Blockstore.Memory;

/// <summary>
/// All tables in memory, for tests and for nodes without storage. Has no bound of its own. Records are encoded as in
/// <see cref="Rocks.RocksStore"/>.
/// </summary>
public sealed class MemoryStore : IStore
{
    private readonly Lock _lock = new();
    private readonly GcBarrier _barrier = new();
    private readonly MemoryBlocks _blocks;
    private readonly MemoryTable _contents;
    private readonly MemoryTable _ingests;
    private volatile bool _disposed;

    /// <summary>Creates an empty store.</summary>
    public MemoryStore()
    {
        _blocks = new MemoryBlocks(this, _barrier, hash => BlockLost?.Invoke(hash));
        _contents = new MemoryTable(this, _lock);
        _ingests = new MemoryTable(this, _lock);
        Contents = new ContentTable(_contents);
        Ingests = new IngestTable(_ingests);
        Pins = new PinTable(new MemoryTable(this, _lock));
        Provides = new ProvideTable(new MemoryTable(this, _lock));
        Peers = new PeerTable(new MemoryTable(this, _lock));
        Metadata = new MetadataTable(new MemoryTable(this, _lock));
    }

    /// <inheritdoc/>
    public event Action<Multihash>? BlockLost;

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
        lock (_lock)
        {
            _contents.Put(key, value, Durability.Synced);
            if (ingest is not null)
            {
                _ingests.Delete(ingest, sync: true);
            }
        }
    }

    /// <inheritdoc/>
    public GcLease LeaseTouched()
    {
        ThrowIfDisposed();
        return _barrier.LeaseTouched();
    }

    /// <inheritdoc/>
    public GcLease LeaseDag(in Cid root)
    {
        ThrowIfDisposed();
        return _barrier.LeaseDag(root);
    }

    /// <inheritdoc/>
    public IGcCycle BeginCollection()
    {
        ThrowIfDisposed();
        return new GcCycle(_barrier, _blocks);
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
