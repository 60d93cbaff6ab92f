using System.Security.Cryptography;
using Ipcs.Blockstore;
using Ipcs.Dag.Chunking;
using Ipcs.Dag.Read;
using Ipcs.Dag.UnixFs;
using Ipcs.Multiformats;

namespace Ipcs.Dag.Import;

/// <summary>
/// Builds a UnixFS file from bytes pushed into it. Keeps one open chunk and, per level of the DAG, the children of at most one node: its
/// memory does not grow with the file. For one caller at a time.
/// </summary>
public sealed class DagImporter
{
    private const int FirstBufferLength = 16 * 1024;

    /// <summary>
    /// Chunks after this many bytes skip the store's WAL (<see cref="Durability.Deferred"/>). Shorter files become durable without a flush,
    /// and an interrupted write resumes at this offset or later.
    /// </summary>
    private const long LoggedLength = 16 << 20;

    private readonly IBlockstore _store;
    private readonly ImportProfile _profile;
    private readonly IChunker _chunker;
    private readonly LeafWriter _writer;
    private readonly ILayout _layout;
    private byte[] _buffer = [];
    private int _buffered;
    private bool _finished;

    /// <summary>Starts an import into <paramref name="store"/>.</summary>
    /// <exception cref="ArgumentException">The profile is out of bounds.</exception>
    public DagImporter(IBlockstore store, ImportProfile profile)
    {
        _store = store;
        _profile = profile.Checked();
        _chunker = profile.Chunker.Create();
        _writer = new LeafWriter(store, profile);
        _layout = profile.Layout == DagLayout.Trickle
            ? new TrickleLayout(_writer, profile.MaxChildren)
            : new BalancedLayout(_writer, profile.MaxChildren);
    }

    /// <summary>The number of bytes written.</summary>
    public long Length => DurableLength + _buffered;

    /// <summary>The number of bytes in full chunks that are stored; a resumed import continues here.</summary>
    public long DurableLength { get; private set; }

    /// <summary>True when some of the chunks become durable only with a later synced write.</summary>
    public bool IsBulk => DurableLength > LoggedLength;

    /// <summary>Called with each leaf once it is stored, on the thread that writes.</summary>
    public Action<Cid>? LeafStored { get; set; }

    /// <summary>The bytes after <see cref="DurableLength"/>, less than a chunk; valid until the next write.</summary>
    public ReadOnlySpan<byte> Tail => _buffered == 0 ? default : _buffer.AsSpan(LeafWriter.Headroom, _buffered);

    /// <summary>
    /// The roots of the DAGs with the first <see cref="DurableLength"/> bytes, which a garbage collection must keep.
    /// </summary>
    public IReadOnlyList<Cid> Roots => [.. _layout.Levels.SelectMany(level => level).Select(entry => entry.Cid)];

    /// <summary>
    /// Adds the next bytes. Raw leaves that are entirely in <paramref name="data"/> are hashed and stored without a copy; other bytes are
    /// copied once.
    /// </summary>
    /// <exception cref="InvalidOperationException">The import is finished.</exception>
    public void Write(ReadOnlySpan<byte> data)
    {
        ThrowIfFinished();
        while (!data.IsEmpty)
        {
            int cut = _chunker.FindCut(data);
            if (cut == 0)
            {
                Append(data);
                return;
            }

            if (_buffered == 0 && _writer.IsRaw)
            {
                AddLeaf(_writer.PutRaw(data[..cut], NextIsBulk));
            }
            else
            {
                Append(data[..cut]);
                FlushBuffer();
            }

            data = data[cut..];
        }
    }

    /// <summary>Stores the last chunk and the nodes above it, and returns the root.</summary>
    /// <exception cref="InvalidOperationException">The import is finished.</exception>
    public DagRoot Finish() => Finish(null, null);

    /// <summary>
    /// Finishes with POSIX metadata in the root. A single raw leaf then becomes a dag-pb node, since a raw block has no metadata.
    /// </summary>
    /// <exception cref="InvalidOperationException">The import is finished.</exception>
    public DagRoot Finish(uint? mode, UnixFsTime? mtime)
    {
        ThrowIfFinished();
        if (_buffered > 0 || (DurableLength == 0 && _layout.EmptyIsLeaf))
        {
            if (_buffer.Length == 0)
            {
                _buffer = new byte[LeafWriter.Headroom + LeafWriter.Tailroom];
            }

            FlushBuffer();
        }

        _finished = true;
        _buffer = [];
        DagEntry root = _layout.IsSingleLeaf && (mode is not null || mtime is not null)
            ? _writer.PutInline(ReadLeaf(_layout.Levels[0][0].Cid), mode, mtime)
            : _layout.Finish(mode, mtime);
        return new DagRoot(root.Cid, root.Size, root.DagSize, _layout.Blocks);
    }

    /// <summary>
    /// The state that <see cref="Restore"/> needs to continue at <see cref="DurableLength"/>: some 50 bytes per entry of each level (8 KiB
    /// per level with the usual profiles).
    /// </summary>
    /// <exception cref="InvalidOperationException">The import is finished.</exception>
    /// <exception cref="NotSupportedException">The profile's chunker cannot resume after a cut.</exception>
    public byte[] ExportState()
    {
        ThrowIfFinished();
        if (!_profile.Chunker.Resumes)
        {
            throw new NotSupportedException($"an import with the chunker '{_profile.Chunker}' cannot be resumed");
        }

        return ImportState.Encode(_profile, DurableLength, _layout);
    }

    /// <summary>Continues an import from its exported state. The next byte to write is that at <see cref="DurableLength"/>.</summary>
    /// <exception cref="DagFormatException">The state is invalid or of another profile.</exception>
    public static DagImporter Restore(IBlockstore store, ImportProfile profile, ReadOnlySpan<byte> state)
    {
        var importer = new DagImporter(store, profile);
        importer.DurableLength = ImportState.Decode(state, profile, importer._layout);
        return importer;
    }

    /// <summary>The leaves of the first <see cref="DurableLength"/> bytes in order, read from the nodes in the store.</summary>
    /// <exception cref="BlockNotFoundException">While enumerating: a node is missing in the store.</exception>
    public IEnumerable<Cid> Leaves() => _layout.Leaves(Children);

    /// <summary>
    /// Reads the first <see cref="DurableLength"/> bytes back into <paramref name="hash"/>, for the content hash of a resumed import.
    /// </summary>
    /// <exception cref="BlockNotFoundException">A block is missing in the store.</exception>
    /// <exception cref="DagFormatException">A block is damaged.</exception>
    public void RehashInto(IncrementalHash hash)
    {
        long total = 0;
        foreach (Cid leaf in Leaves())
        {
            using System.Buffers.IMemoryOwner<byte> block = GetBlock(leaf);
            ReadOnlySpan<byte> bytes = LeafBytes(leaf, block.Memory.Span);
            hash.AppendData(bytes);
            total += bytes.Length;
        }

        if (total != DurableLength)
        {
            throw new DagFormatException($"the stored chunks hold {total} bytes, not {DurableLength}");
        }
    }

    /// <summary>The writer of leaves, for hashing them in parallel.</summary>
    internal LeafWriter Leaf => _writer;

    /// <summary>True when the next leaf is to be put deferred.</summary>
    internal bool NextIsBulk => DurableLength >= LoggedLength;

    /// <summary>Adds a leaf that <see cref="Leaf"/> has stored. Called only between chunks.</summary>
    internal void AddLeaf(in DagEntry leaf)
    {
        _layout.AddLeaf(leaf);
        DurableLength += leaf.Size;
        _writer.NodesInBulk = NextIsBulk;
        LeafStored?.Invoke(leaf.Cid);
    }

    private void FlushBuffer()
    {
        DagEntry leaf = _writer.Put(_buffer, _buffered, NextIsBulk);
        _buffered = 0;
        AddLeaf(leaf);
    }

    private void Append(ReadOnlySpan<byte> data)
    {
        int needed = _buffered + data.Length;
        int room = _buffer.Length - LeafWriter.Headroom - LeafWriter.Tailroom;
        if (needed > room)
        {
            // Most imports are of manifests and configs, so the first buffer is shorter than a chunk.
            int length = needed <= FirstBufferLength ? Math.Min(FirstBufferLength, _chunker.MaxLength) : _chunker.MaxLength;
            byte[] larger = GC.AllocateUninitializedArray<byte>(LeafWriter.Headroom + length + LeafWriter.Tailroom);
            _buffer.AsSpan(0, Math.Min(_buffer.Length, LeafWriter.Headroom + _buffered)).CopyTo(larger);
            _buffer = larger;
        }

        data.CopyTo(_buffer.AsSpan(LeafWriter.Headroom + _buffered));
        _buffered = needed;
    }

    private Cid[] Children(Cid cid)
    {
        using System.Buffers.IMemoryOwner<byte> block = GetBlock(cid);
        return [.. DagWalk.Children(cid, block.Memory.Span)];
    }

    private byte[] ReadLeaf(Cid leaf)
    {
        using System.Buffers.IMemoryOwner<byte> block = GetBlock(leaf);
        return LeafBytes(leaf, block.Memory.Span).ToArray();
    }

    private static ReadOnlySpan<byte> LeafBytes(Cid leaf, ReadOnlySpan<byte> block)
    {
        FileBlock parsed = FileBlock.Parse(leaf, block);
        return block.Slice(parsed.DataStart, parsed.DataLength);
    }

    private System.Buffers.IMemoryOwner<byte> GetBlock(Cid cid) =>
        _store.Get(cid.Hash) ?? throw new BlockNotFoundException(cid, "a chunk of an interrupted import is not in the local store");

    private void ThrowIfFinished()
    {
        if (_finished)
        {
            throw new InvalidOperationException("the import is finished");
        }
    }
}
