using Ipcs.Multiformats;

namespace Ipcs.Dag.Read;

/// <summary>An inner node of a file, ready for seeking.</summary>
internal sealed class InnerNode
{
    private readonly Cid[] _children;
    private readonly long[] _ends;

    public InnerNode(in FileBlock block, ReadOnlySpan<byte> bytes)
    {
        Inline = bytes.Slice(block.DataStart, block.DataLength).ToArray();
        Length = block.Length;
        _children = new Cid[block.Links.Length];
        _ends = new long[block.Links.Length];
        long end = block.DataLength;
        for (int i = 0; i < _ends.Length; i++)
        {
            _children[i] = block.Links[i].Cid;
            _ends[i] = end += block.Sizes[i];
        }
    }

    /// <summary>File bytes of the node's own, before its children.</summary>
    public byte[] Inline { get; }

    /// <summary>The file bytes in and below it.</summary>
    public long Length { get; }

    /// <summary>What it costs in a cache, in children (inline bytes count too).</summary>
    public int Cost => _children.Length + (Inline.Length / 64) + 1;

    /// <summary>The child with the byte at <paramref name="offset"/>, counted from the node's start and not among its inline bytes.</summary>
    public (Cid Cid, long Start, long Length) Child(long offset)
    {
        int i = _ends.AsSpan().BinarySearch(offset);

        // The first child that ends after the offset: children of no bytes are never it.
        i = i >= 0 ? i + 1 : ~i;
        while (_ends[i] <= offset)
        {
            i++;
        }

        long start = i == 0 ? Inline.Length : _ends[i - 1];
        return (_children[i], start, _ends[i] - start);
    }
}
