using System.Buffers;
using System.Collections.Concurrent;
using Ipcs.Blockstore.Compression;
using Ipcs.Blockstore.Gc;
using Ipcs.Multiformats;

namespace Ipcs.Blockstore.Memory;

/// <summary>Blocks in memory.</summary>
internal sealed class MemoryBlocks(MemoryStore store, GcBarrier barrier, Action<Multihash> onLost) : IBlockstore, ISweptBlocks
{
    private readonly ConcurrentDictionary<Multihash, Entry> _blocks = new();
    private long _blockBytes;
    private long _bytes;

    public int Count => _blocks.Count;

    /// <summary>The sum of the blocks' uncompressed lengths, in bytes.</summary>
    public long BlockBytes => Interlocked.Read(ref _blockBytes);

    /// <summary>The sum of the blocks' lengths as stored, in bytes.</summary>
    public long Bytes => Interlocked.Read(ref _bytes);

    public bool Has(in Multihash hash)
    {
        store.ThrowIfDisposed();
        barrier.Touch(hash);
        return _blocks.ContainsKey(hash);
    }

    public bool TryGetLength(in Multihash hash, out int length)
    {
        store.ThrowIfDisposed();
        barrier.Touch(hash);
        bool found = _blocks.TryGetValue(hash, out Entry block);
        length = block.Length;
        return found;
    }

    public IMemoryOwner<byte>? Get(in Multihash hash)
    {
        store.ThrowIfDisposed();
        barrier.Touch(hash);
        if (!_blocks.TryGetValue(hash, out Entry block))
        {
            return null;
        }

        if (!block.IsCompressed)
        {
            return new ArrayOwner(block.Bytes);
        }

        if (CompressedBlock.TryDecompress(block.Bytes) is { } bytes)
        {
            return bytes;
        }

        Delete(hash);
        onLost(hash);
        throw new StoreException($"block {hash}: its zstd frame is damaged") { IsCorruption = true };
    }

    public bool KeepsCompressed => true;

    public IMemoryOwner<byte>? GetCompressed(in Multihash hash)
    {
        store.ThrowIfDisposed();
        barrier.Touch(hash);
        return _blocks.TryGetValue(hash, out Entry block) && block.IsCompressed ? new ArrayOwner(block.Bytes) : null;
    }

    public void Put(in Multihash hash, ReadOnlySpan<byte> data, bool bulk = false) => Put(hash, data, data.Length);

    public void PutCompressed(in Multihash hash, ReadOnlySpan<byte> frame, bool bulk = false) =>
        Put(hash, frame, CompressedBlock.LengthOf(hash, frame));

    public void Delete(in Multihash hash)
    {
        store.ThrowIfDisposed();
        barrier.BeginChange(hash);
        try
        {
            DeleteAll([hash]);
        }
        finally
        {
            barrier.EndChange(hash);
        }
    }

    public IEnumerable<(Multihash Hash, int Length)> Enumerate()
    {
        store.ThrowIfDisposed();
        return [.. _blocks.ToArray().Select(pair => (pair.Key, pair.Value.Length))];
    }

    public List<(Multihash Hash, int Length)> DeleteAll(IReadOnlyList<Multihash> hashes)
    {
        store.ThrowIfDisposed();
        List<(Multihash, int)> deleted = [];
        foreach (Multihash hash in hashes)
        {
            if (_blocks.TryRemove(hash, out Entry block))
            {
                Interlocked.Add(ref _blockBytes, -block.Length);
                Interlocked.Add(ref _bytes, -block.Bytes.Length);
                deleted.Add((hash, block.Length));
            }
        }

        return deleted;
    }

    private void Put(in Multihash hash, ReadOnlySpan<byte> bytes, int length)
    {
        BlockLimit.Check(hash, length);
        store.ThrowIfDisposed();
        barrier.BeginChange(hash);
        try
        {
            if (!_blocks.ContainsKey(hash) && _blocks.TryAdd(hash, new Entry(bytes.ToArray(), length)))
            {
                Interlocked.Add(ref _blockBytes, length);
                Interlocked.Add(ref _bytes, bytes.Length);
            }
        }
        finally
        {
            barrier.EndChange(hash);
        }
    }

    /// <summary>A block's bytes or, when they are fewer than its length, its zstd frame.</summary>
    private readonly record struct Entry(byte[] Bytes, int Length)
    {
        public bool IsCompressed => Bytes.Length != Length;
    }
}
