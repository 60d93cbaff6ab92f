using Ipcs.Multiformats;

namespace Ipcs.Dag.Read;

/// <summary>An inner node of a file, with offsets for seeking.</summary>
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

    /// <summary>The number of file bytes inside the node, which precede its children.</summary>
    public byte[] Inline { get; }

    /// <summary>The number of file bytes in and below it.</summary>
    public long Length { get; }

    /// <summary>Its cost in a cache, in children (file bytes inside the node are converted).</summary>
    public int Cost => _children.Length + (Inline.Length / 64) + 1;

    /// <summary>
    /// The index of the child with the byte at <paramref name="offset"/> of the node, which must be after its own file bytes.
    /// </summary>
    public (Cid Cid, long Start, long Length) Child(long offset)
    {
        int i = _ends.AsSpan().BinarySearch(offset);

        // The first child that ends after the offset, so never an empty child.
        i = i >= 0 ? i + 1 : ~i;
        while (_ends[i] <= offset)
        {
            i++;
        }

        long start = i == 0 ? Inline.Length : _ends[i - 1];
        return (_children[i], start, _ends[i] - start);
    }
}
