using System.Security.Cryptography;
using Ipcs.Blockstore;
using Ipcs.Dag.Chunking;
using Ipcs.Dag.Read;
using Ipcs.Dag.UnixFs;
using Ipcs.Multiformats;

namespace Ipcs.Dag.Import;

/// <summary>
/// Makes a UnixFS file of the bytes pushed into it, block by block. It holds one open chunk and, per level of the DAG, at most one node's
/// children: its memory doesn't grow with the file. Used by one caller at a time.
/// </summary>
public sealed class DagImporter
{
    private const int FirstBufferLength = 16 * 1024;

    /// <summary>
    /// Chunks after so many bytes go past the store's log (<see cref="Durability.Deferred"/>): what is shorter needs no flush to become durable, and an interrupted write
    /// goes on from here at least.
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

    /// <summary>How many bytes have been written.</summary>
    public long Length => DurableLength + _buffered;

    /// <summary>How many bytes lie in full chunks that the store has; a resumed import goes on from here.</summary>
    public long DurableLength { get; private set; }

    /// <summary>True when some of the chunks are durable only once something synced is put after them.</summary>
    public bool IsBulk => DurableLength > LoggedLength;

    /// <summary>The bytes after <see cref="DurableLength"/>, less than a chunk; good until the next write.</summary>
    public ReadOnlySpan<byte> Tail => _buffered == 0 ? default : _buffer.AsSpan(LeafWriter.Headroom, _buffered);

    /// <summary>The blocks below which the first <see cref="DurableLength"/> bytes lie: what a garbage collection must keep with all below them.</summary>
    public IReadOnlyList<Cid> Roots => [.. _layout.Levels.SelectMany(level => level).Select(entry => entry.Cid)];

    /// <summary>
    /// Takes the next bytes. Chunks that are whole in <paramref name="data"/> are hashed and stored from where they are (bare leaves);
    /// everything else is copied once.
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
    /// <exception cref="InvalidOperationException">It was finished before.</exception>
    public DagRoot Finish() => Finish(null, null);

    /// <summary>The same, with POSIX metadata in the root. A bare single leaf then becomes a dag-pb node, since it has no place for them.</summary>
    /// <exception cref="InvalidOperationException">It was finished before.</exception>
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
    /// What <see cref="Restore"/> needs to go on from <see cref="DurableLength"/>: some 50 bytes per entry of each level (8 KiB a level under
    /// the usual profiles).
    /// </summary>
    /// <exception cref="InvalidOperationException">The import is finished.</exception>
    /// <exception cref="NotSupportedException">The profile's chunker can't go on after a cut.</exception>
    public byte[] ExportState()
    {
        ThrowIfFinished();
        if (!_profile.Chunker.Resumes)
        {
            throw new NotSupportedException($"an import with the chunker '{_profile.Chunker}' can't be resumed");
        }

        return ImportState.Encode(_profile, DurableLength, _layout);
    }

    /// <summary>Goes on with an import from its exported state. The next byte to write is the one at <see cref="DurableLength"/>.</summary>
    /// <exception cref="DagFormatException">The state is not one of ours, or of another profile.</exception>
    public static DagImporter Restore(IBlockstore store, ImportProfile profile, ReadOnlySpan<byte> state)
    {
        var importer = new DagImporter(store, profile);
        importer.DurableLength = ImportState.Decode(state, profile, importer._layout);
        return importer;
    }

    /// <summary>The leaves of <see cref="DurableLength"/>, in order, read from the nodes in the store.</summary>
    /// <exception cref="BlockNotFoundException">While enumerating: the store has lost a node.</exception>
    public IEnumerable<Cid> Leaves() => _layout.Leaves(Children);

    /// <summary>Reads the first <see cref="DurableLength"/> bytes back into <paramref name="hash"/>, for the content hash of a resumed import.</summary>
    /// <exception cref="BlockNotFoundException">The store has lost a block.</exception>
    /// <exception cref="DagFormatException">A block is not what was put.</exception>
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

    /// <summary>The writer of leaves, for hashing them side by side.</summary>
    internal LeafWriter Leaf => _writer;

    /// <summary>How the next leaf is to be put.</summary>
    internal bool NextIsBulk => DurableLength >= LoggedLength;

    /// <summary>Takes a leaf that <see cref="Leaf"/> has stored. Only between chunks.</summary>
    internal void AddLeaf(in DagEntry leaf)
    {
        _layout.AddLeaf(leaf);
        DurableLength += leaf.Size;
        _writer.NodesInBulk = NextIsBulk;
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
            // Most imports are of manifests and configs: they don't get a buffer for a whole chunk at once.
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
