using System.Buffers;
using System.Collections.Concurrent;
using Ipcs.Multiformats;

namespace Ipcs.Blockstore.Memory;

/// <summary>Blocks in memory.</summary>
internal sealed class MemoryBlocks(MemoryStore store, BlockGate gate) : IBlockstore, ISweptBlocks
{
    private readonly ConcurrentDictionary<Multihash, byte[]> _blocks = new();
    private long _bytes;

    public int Count => _blocks.Count;

    public long Bytes => Interlocked.Read(ref _bytes);

    public bool Has(in Multihash hash)
    {
        store.ThrowIfDisposed();
        gate.Touch(hash);
        return _blocks.ContainsKey(hash);
    }

    public bool TryGetLength(in Multihash hash, out int length)
    {
        store.ThrowIfDisposed();
        gate.Touch(hash);
        bool found = _blocks.TryGetValue(hash, out byte[]? block);
        length = block?.Length ?? 0;
        return found;
    }

    public IMemoryOwner<byte>? Get(in Multihash hash)
    {
        store.ThrowIfDisposed();
        gate.Touch(hash);
        return _blocks.TryGetValue(hash, out byte[]? block) ? new ArrayOwner(block) : null;
    }

    public void Put(in Multihash hash, ReadOnlySpan<byte> data)
    {
        BlockLimit.Check(hash, data.Length);
        store.ThrowIfDisposed();
        gate.Enter(hash);
        try
        {
            if (!_blocks.ContainsKey(hash) && _blocks.TryAdd(hash, data.ToArray()))
                Interlocked.Add(ref _bytes, data.Length);
        }
        finally
        {
            gate.Leave(hash);
        }
    }

    public void Delete(in Multihash hash)
    {
        store.ThrowIfDisposed();
        gate.Enter(hash);
        try
        {
            DeleteAll([hash]);
        }
        finally
        {
            gate.Leave(hash);
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
        List<(Multihash, int)> gone = [];
        foreach (Multihash hash in hashes)
        {
            if (_blocks.TryRemove(hash, out byte[]? block))
            {
                Interlocked.Add(ref _bytes, -block.Length);
                gone.Add((hash, block.Length));
            }
        }

        return gone;
    }
}
