namespace Ipcs.Blockstore;

/// <summary>
/// Small durable values of other projects that are not content, such as counters. Each project defines its keys and values; its keys begin
/// with a word of its own and <c>/</c>. Thread-safe.
/// </summary>
public interface IMetadataTable
{
    /// <summary>The value; null when there is none.</summary>
    byte[]? Get(ReadOnlySpan<byte> key);

    /// <summary>Puts or replaces a value. With <paramref name="sync"/> it is durable on return.</summary>
    void Put(ReadOnlySpan<byte> key, ReadOnlySpan<byte> value, bool sync = false);

    /// <summary>Deletes a value. False when there is none.</summary>
    bool Delete(ReadOnlySpan<byte> key);

    /// <summary>All pairs whose key begins with <paramref name="prefix"/>, as of the call, in the byte order of the keys.</summary>
    IReadOnlyList<KeyValuePair<byte[], byte[]>> Enumerate(ReadOnlySpan<byte> prefix);
}
