namespace Ipcs.Blockstore.Tables;

/// <summary>An ordered table of bytes, the ground on which both stores build their typed tables. Thread-safe.</summary>
internal interface ITable
{
    /// <summary>The value; null when there is none.</summary>
    byte[]? Get(ReadOnlySpan<byte> key);

    /// <summary>Puts or replaces a value.</summary>
    void Put(ReadOnlySpan<byte> key, ReadOnlySpan<byte> value, Durability keeping);

    /// <summary>Removes a value. False when there was none.</summary>
    bool Delete(ReadOnlySpan<byte> key, bool sync);

    /// <summary>Those whose key begins with <paramref name="prefix"/>, as of the call, in the keys' byte order, the first <paramref name="max"/>.</summary>
    IReadOnlyList<KeyValuePair<byte[], byte[]>> List(ReadOnlySpan<byte> prefix, int max = int.MaxValue);
}
