namespace Ipcs.Blockstore.Memory;

/// <summary>Compares keys byte by byte, as RocksDB's default comparator does.</summary>
internal sealed class KeyComparer : IComparer<byte[]>
{
    public static readonly KeyComparer Instance = new();

    public int Compare(byte[]? x, byte[]? y) => x.AsSpan().SequenceCompareTo(y);
}
