using System.Collections.Concurrent;
using System.Diagnostics;
using Ipcs.Blockstore;
using Ipcs.Dag.Import;
using Ipcs.Multiformats;
using Ipcs.Oci.Conversion;

namespace Ipcs.Oci.Compare;

/// <summary>
/// Records which images have which blocks: a hash, a length and a bit per image for each block, without its bytes. One table for each
/// chunker; images are added one after the other.
/// </summary>
internal sealed class BlockTable : IConversionMemory
{
    /// <summary>The most images: each has a bit.</summary>
    public const int MaxImages = 64;

    /// <summary>The most blocks: 1 TiB in blocks of 256 KiB, which take some 600 MB of memory here.</summary>
    private const int MaxBlocks = 1 << 22;

    private readonly ConcurrentDictionary<Multihash, Entry> _blocks = new();
    private readonly ConcurrentDictionary<Digest, Blob> _open = new();
    private readonly ConcurrentDictionary<Digest, Blob> _blobs = new();
    private ulong _image = 1;
    private int _count;

    /// <summary>Number and bytes of the blocks by the exact set of images that have them, with a bit for each image.</summary>
    public IReadOnlyDictionary<ulong, (long Blocks, long Bytes)> Buckets()
    {
        var buckets = new Dictionary<ulong, (long Blocks, long Bytes)>();
        foreach (Entry entry in _blocks.Values)
        {
            (long blocks, long bytes) = buckets.GetValueOrDefault(entry.Images);
            buckets[entry.Images] = (blocks + 1, bytes + entry.Length);
        }

        return buckets;
    }

    /// <summary>Begins an image, by its index: blocks that are added from now on belong to it.</summary>
    public void Begin(int image)
    {
        Debug.Assert(image is >= 0 and < MaxImages, "every image has a bit");
        _image = 1UL << image;
    }

    /// <summary>The store for the blocks of a content.</summary>
    public IBlockstore StoreFor(Digest content) => new Blob(this, content);

    /// <inheritdoc/>
    public DagRoot? Recall(Digest blob, ImportProfile profile)
    {
        if (!_blobs.TryGetValue(blob, out Blob? known) || known.Root is not { } root)
        {
            return null;
        }

        foreach (Entry entry in known.Entries)
        {
            entry.Add(_image);
        }

        return root;
    }

    /// <inheritdoc/>
    public void Remember(Digest blob, ImportProfile profile, in DagRoot root)
    {
        if (_open.TryRemove(blob, out Blob? imported))
        {
            imported.Root = root;
            _blobs[blob] = imported;
        }
    }

    private Entry Add(in Multihash hash, int length)
    {
        Entry entry = _blocks.GetOrAdd(hash, static (_, length) => new Entry(length), length);
        if (entry.Add(_image) && Interlocked.Increment(ref _count) > MaxBlocks)
        {
            throw new ImageSourceException($"the images have more than {MaxBlocks} blocks: use a chunker that makes larger ones");
        }

        return entry;
    }

    private sealed class Entry(int length)
    {
        private ulong _images;

        public int Length => length;

        public ulong Images => Volatile.Read(ref _images);

        /// <summary>True when the block was new to the table.</summary>
        public bool Add(ulong image) => Interlocked.Or(ref _images, image) == 0;
    }

    /// <summary>The store that an import of one content writes into.</summary>
    private sealed class Blob : IBlockstore
    {
        private readonly BlockTable _table;
        private readonly ConcurrentBag<Entry> _entries = [];

        public Blob(BlockTable table, Digest content)
        {
            _table = table;
            table._open[content] = this;
        }

        public DagRoot? Root { get; set; }

        public IEnumerable<Entry> Entries => _entries;

        public bool Has(in Multihash hash) => _table._blocks.ContainsKey(hash);

        public bool TryGetLength(in Multihash hash, out int length)
        {
            bool here = _table._blocks.TryGetValue(hash, out Entry? entry);
            length = entry?.Length ?? 0;
            return here;
        }

        public System.Buffers.IMemoryOwner<byte>? Get(in Multihash hash) => null;

        public void Put(in Multihash hash, ReadOnlySpan<byte> data, bool bulk = false) => _entries.Add(_table.Add(hash, data.Length));

        public void Delete(in Multihash hash) => throw new NotSupportedException();

        public IEnumerable<(Multihash Hash, int Length)> Enumerate() => [.. _table._blocks.Select(b => (b.Key, b.Value.Length))];
    }
}
