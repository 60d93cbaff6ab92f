using System.Buffers;
using Ipcs.Blockstore;
using Ipcs.Blockstore.Compression;
using Ipcs.Dag.DagPb;
using Ipcs.Dag.UnixFs;
using Ipcs.Multiformats;

namespace Ipcs.Dag.Import;

/// <summary>A block of a level of the DAG whose parent is not written yet.</summary>
/// <param name="Cid">The block's CID.</param>
/// <param name="Size">The number of file bytes below it.</param>
/// <param name="DagSize">The length of the block and all below it, in bytes.</param>
internal readonly record struct DagEntry(Cid Cid, long Size, long DagSize);

/// <summary>
/// Encodes and stores leaves. Chunks are in buffers with room before and after, so that the dag-pb frame is written around them without a
/// copy. Blocks of a tar are compressed where the store keeps compressed blocks and compression pays. Thread-safe.
/// </summary>
internal sealed class LeafWriter(IBlockstore store, ImportProfile profile)
{
    /// <summary>Bytes before a chunk: <c>0a len 08 02 12 len</c>, with lengths of up to four bytes.</summary>
    public const int Headroom = 12;

    /// <summary>Bytes after a chunk: <c>18 size</c>.</summary>
    public const int Tailroom = 6;

    // In the trickle layout dag-pb leaves have the type Raw, as in old files.
    private readonly UnixFsType _leafType = profile.Layout == DagLayout.Trickle ? UnixFsType.Raw : UnixFsType.File;

    private readonly bool _compresses = profile.Chunker.IsTar && store.KeepsCompressed;

    /// <summary>True when chunks are stored as raw blocks, without a frame.</summary>
    public bool IsRaw => profile.RawLeaves;

    /// <summary>True when inner nodes are put deferred, like the chunks below them, without which they are useless.</summary>
    public bool NodesInBulk { get; set; }

    /// <summary>Stores a chunk as a raw block.</summary>
    public DagEntry PutRaw(ReadOnlySpan<byte> chunk, bool bulk)
    {
        Multihash hash = Multihash.Sha256(chunk);
        Store(hash, chunk, bulk);
        return new DagEntry(Cid.V1(Multicodec.Raw, hash), chunk.Length, chunk.Length);
    }

    /// <summary>
    /// Stores the chunk at <see cref="Headroom"/> in the buffer, after writing the dag-pb frame around it if the profile has one.
    /// </summary>
    public DagEntry Put(byte[] buffer, int length, bool bulk)
    {
        if (IsRaw)
        {
            return PutRaw(buffer.AsSpan(Headroom, length), bulk);
        }

        // dag-pb Data { UnixFS Type, Data (absent when empty), filesize }
        int dataField = length == 0 ? 0 : ProtoWriter.BytesFieldLength(length);
        int message = 2 + dataField + ProtoWriter.VarintFieldLength((ulong)length);
        int head = 1 + ProtoWriter.VarintLength((ulong)message) + 2 + (dataField == 0 ? 0 : dataField - length);
        int start = Headroom - head;
        var writer = new ProtoWriter(buffer.AsSpan(start));
        writer.BytesHead(1, message);
        writer.VarintField(1, (ulong)_leafType);
        if (length > 0)
        {
            writer.BytesHead(2, length);
            writer.Space(length);
        }

        writer.VarintField(3, (ulong)length);
        ReadOnlySpan<byte> block = buffer.AsSpan(start, writer.Written);
        Multihash hash = Multihash.Sha256(block);
        Store(hash, block, bulk);
        return new DagEntry(NodeCid(hash), length, block.Length);
    }

    /// <summary>Stores an inner node over these children.</summary>
    public DagEntry PutNode(List<DagEntry> children, uint? mode, UnixFsTime? mtime)
    {
        var links = new DagPbLink[children.Count];
        long[] sizes = new long[children.Count];
        long size = 0;
        long dagSize = 0;
        for (int i = 0; i < links.Length; i++)
        {
            links[i] = new DagPbLink(children[i].Cid, "", (ulong)children[i].DagSize);
            sizes[i] = children[i].Size;
            size += children[i].Size;
            dagSize += children[i].DagSize;
        }

        byte[] data = new UnixFsData { Type = UnixFsType.File, FileSize = size, BlockSizes = sizes, Mode = mode, MTime = mtime }.Encode();
        return PutNode(new DagPbNode(links, data), size, dagSize);
    }

    /// <summary>Stores a file of a single node that contains its bytes.</summary>
    public DagEntry PutInline(byte[] bytes, uint? mode, UnixFsTime? mtime)
    {
        var data = new UnixFsData
        {
            Type = UnixFsType.File,
            Data = bytes.Length == 0 ? null : bytes,
            FileSize = bytes.Length,
            Mode = mode,
            MTime = mtime,
        };
        return PutNode(new DagPbNode([], data.Encode()), bytes.Length, 0);
    }

    private DagEntry PutNode(DagPbNode node, long size, long below)
    {
        byte[] block = node.Encode();
        Multihash hash = Multihash.Sha256(block);
        Store(hash, block, NodesInBulk);
        return new DagEntry(NodeCid(hash), size, below + block.Length);
    }

    private void Store(in Multihash hash, ReadOnlySpan<byte> block, bool bulk)
    {
        if (_compresses && store.Has(hash))
        {
            // Most blocks of a second image exist already.
            return;
        }

        using IMemoryOwner<byte>? frame = _compresses ? CompressedBlock.TryCompress(block) : null;
        if (frame is null)
        {
            store.Put(hash, block, bulk);
        }
        else
        {
            store.PutCompressed(hash, frame.Memory.Span, bulk);
        }
    }

    private Cid NodeCid(in Multihash hash) => profile.CidVersion == 0 ? Cid.V0(hash) : Cid.V1(Multicodec.DagPb, hash);
}
