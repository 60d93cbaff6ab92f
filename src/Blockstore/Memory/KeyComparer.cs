namespace Ipcs.Blockstore.Memory;

/// <summary>The byte order of keys, as RocksDB has it.</summary>
internal sealed class KeyComparer : IComparer<byte[]>
{
    public static readonly KeyComparer Instance = new();

    public int Compare(byte[]? x, byte[]? y) => x.AsSpan().SequenceCompareTo(y);
}
