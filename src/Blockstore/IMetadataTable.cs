namespace Ipcs.Blockstore;

/// <summary>
/// Small durable facts of the rooms above that are no content: provide times, known peers, counters. Keys and values are theirs;
/// each room begins its keys with a word of its own and <c>/</c>. Thread-safe.
/// </summary>
public interface IMetadataTable
{
    /// <summary>The value; null when there is none.</summary>
    byte[]? Get(ReadOnlySpan<byte> key);

    /// <summary>Puts or replaces a value. With <paramref name="sync"/> it is durable on return.</summary>
    void Put(ReadOnlySpan<byte> key, ReadOnlySpan<byte> value, bool sync = false);

    /// <summary>Removes a value. False when there was none.</summary>
    bool Delete(ReadOnlySpan<byte> key);

    /// <summary>All whose key begins with <paramref name="prefix"/>, as of the call, in the keys' byte order.</summary>
    IReadOnlyList<KeyValuePair<byte[], byte[]>> Enumerate(ReadOnlySpan<byte> prefix);
}
