namespace Ipcs.Blockstore.Tables;

/// <summary>An ordered table of byte strings, on which both stores build their typed tables. Thread-safe.</summary>
internal interface ITable
{
    /// <summary>The value; null when there is none.</summary>
    byte[]? Get(ReadOnlySpan<byte> key);

    /// <summary>Puts or replaces a value.</summary>
    void Put(ReadOnlySpan<byte> key, ReadOnlySpan<byte> value, Durability durability);

    /// <summary>Deletes a value. False when there is none.</summary>
    bool Delete(ReadOnlySpan<byte> key, bool sync);

    /// <summary>
    /// The first <paramref name="max"/> pairs whose key begins with <paramref name="prefix"/>, as of the call, in the byte order of the
    /// keys.
    /// </summary>
    IReadOnlyList<KeyValuePair<byte[], byte[]>> List(ReadOnlySpan<byte> prefix, int max = int.MaxValue);
}
