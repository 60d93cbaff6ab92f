using System.Buffers;
using System.Collections.Concurrent;
using Ipcs.Multiformats;

namespace Ipcs.Blockstore;

/// <summary>The store's twin in memory, for tests: the same conformance suite holds for both.</summary>
public sealed class MemoryStore : IStore
{
    private readonly BlockTable _blocks = new();
    private readonly ContentTable _contents = new();
    private readonly PinTable _pins = new();
    private readonly IngestTable _ingests = new();

    /// <inheritdoc/>
    public IBlockstore Blocks => _blocks;

    /// <inheritdoc/>
    public IContentIndex Contents => _contents;

    /// <inheritdoc/>
    public IPinStore Pins => _pins;

    /// <inheritdoc/>
    public IIngestStore Ingests => _ingests;

    /// <inheritdoc/>
    public void Commit(ContentRecord content, string? ingestRef)
    {
        _contents.Put(content);
        if (ingestRef is not null)
        {
            _ingests.Delete(ingestRef);
        }
    }

    /// <inheritdoc/>
    public StoreStatistics GetStatistics() => new(_blocks.Map.Count, _blocks.Map.Values.Sum(b => (long)b.Length), _contents.Map.Count);

    /// <inheritdoc/>
    public void Dispose()
    {
    }

    private sealed class BlockTable : IBlockstore
    {
        public ConcurrentDictionary<Multihash, byte[]> Map { get; } = new();

        public bool Has(in Multihash hash) => Map.ContainsKey(hash);

        public bool TryGetLength(in Multihash hash, out int length)
        {
            bool found = Map.TryGetValue(hash, out byte[]? block);
            length = block?.Length ?? 0;
            return found;
        }

        public IMemoryOwner<byte>? Get(in Multihash hash) => Map.TryGetValue(hash, out byte[]? block) ? new Borrowed(block) : null;

        public void Put(in Multihash hash, ReadOnlySpan<byte> data)
        {
            if (data.Length > IBlockstore.MaxBlockLength)
            {
                throw new StoreException($"a block of {data.Length} bytes is longer than {IBlockstore.MaxBlockLength}");
            }

            Map[hash] = data.ToArray();
        }

        public void Delete(in Multihash hash) => Map.TryRemove(hash, out _);

        public IEnumerable<(Multihash Hash, int Length)> Enumerate() => Map.ToArray().Select(p => (p.Key, p.Value.Length));
    }

    private sealed class ContentTable : IContentIndex
    {
        public ConcurrentDictionary<Digest, ContentRecord> Map { get; } = new();

        public ContentRecord? Get(in Digest digest) => Map.GetValueOrDefault(digest);

        public void Put(ContentRecord record, bool sync = false) => Map[record.Digest] = record;

        public bool Delete(in Digest digest) => Map.TryRemove(digest, out _);

        public IEnumerable<ContentRecord> Enumerate() =>
            Map.Values.OrderBy(r => r.Digest.Hash.Code).ThenBy(r => r.Digest.ToString(), StringComparer.Ordinal).ToArray();
    }

    private sealed class PinTable : IPinStore
    {
        private readonly ConcurrentDictionary<Cid, PinRecord> _map = new();

        public void Put(PinRecord pin) => _map[pin.Root] = pin;

        public PinRecord? Get(in Cid root) => _map.GetValueOrDefault(root);

        public bool Delete(in Cid root) => _map.TryRemove(root, out _);

        public IEnumerable<PinRecord> Enumerate() => _map.Values.ToArray();
    }

    private sealed class IngestTable : IIngestStore
    {
        private readonly ConcurrentDictionary<string, IngestRecord> _map = new(StringComparer.Ordinal);

        public IngestRecord? Get(string reference) => _map.GetValueOrDefault(reference);

        public void Put(IngestRecord record) => _map[record.Ref] = record;

        public bool Delete(string reference) => _map.TryRemove(reference, out _);

        public IEnumerable<IngestRecord> Enumerate() => _map.Values.OrderBy(r => r.Ref, StringComparer.Ordinal).ToArray();
    }

    private sealed class Borrowed(byte[] block) : IMemoryOwner<byte>
    {
        public Memory<byte> Memory => block;

        public void Dispose()
        {
        }
    }
}
