namespace Ipcs.Dag.Chunking;

/// <summary>Cuts at a fixed length in bytes.</summary>
internal sealed class FixedSizeChunker(int size) : IChunker
{
    private int _open;

    /// <inheritdoc/>
    public int MaxLength => size;

    /// <inheritdoc/>
    public int FindCut(ReadOnlySpan<byte> data)
    {
        int left = size - _open;
        if (data.Length < left)
        {
            _open += data.Length;
            return 0;
        }

        _open = 0;
        return left;
    }
}
