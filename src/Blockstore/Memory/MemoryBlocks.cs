using System.Buffers;
using System.Collections.Concurrent;
using Ipcs.Multiformats;

namespace Ipcs.Blockstore.Memory;

/// <summary>Blocks in memory.</summary>
internal sealed class MemoryBlocks(MemoryStore store) : IBlockstore
{
    private readonly ConcurrentDictionary<Multihash, byte[]> _blocks = new();
    private long _bytes;

    public int Count => _blocks.Count;

    public long Bytes => Interlocked.Read(ref _bytes);

    public bool Has(in Multihash hash)
    {
        store.ThrowIfDisposed();
        return _blocks.ContainsKey(hash);
    }

    public bool TryGetLength(in Multihash hash, out int length)
    {
        store.ThrowIfDisposed();
        bool found = _blocks.TryGetValue(hash, out byte[]? block);
        length = block?.Length ?? 0;
        return found;
    }

    public IMemoryOwner<byte>? Get(in Multihash hash)
    {
        store.ThrowIfDisposed();
        return _blocks.TryGetValue(hash, out byte[]? block) ? new ArrayOwner(block) : null;
    }

    public void Put(in Multihash hash, ReadOnlySpan<byte> data)
    {
        BlockLimit.Check(hash, data.Length);
        store.ThrowIfDisposed();
        if (!_blocks.ContainsKey(hash) && _blocks.TryAdd(hash, data.ToArray()))
            Interlocked.Add(ref _bytes, data.Length);
    }

    public void Delete(in Multihash hash)
    {
        store.ThrowIfDisposed();
        if (_blocks.TryRemove(hash, out byte[]? block))
            Interlocked.Add(ref _bytes, -block.Length);
    }

    public IEnumerable<(Multihash Hash, int Length)> Enumerate()
    {
        store.ThrowIfDisposed();
        return [.. _blocks.ToArray().Select(pair => (pair.Key, pair.Value.Length))];
    }
}
