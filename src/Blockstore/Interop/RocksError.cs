namespace Ipcs.Blockstore.Interop;

/// <summary>
/// Classifies RocksDB's status messages. The C API has no status codes: a message is the code's name, a colon, the subcode's text and
/// details (https://github.com/facebook/rocksdb/blob/main/util/status.cc).
/// </summary>
internal static class RocksError
{
    private static readonly string[] NoSpace = ["No space left on device", "Disk quota exceeded", "Max allowed space was reached"];

    private static readonly string[] Named = [".blob", ".sst", "/MANIFEST-"];

    /// <summary>Creates the exception for a message.</summary>
    public static StoreException Exception(string message, string what)
    {
        bool full = NoSpace.Any(text => message.Contains(text, StringComparison.Ordinal));
        return new StoreException(full ? $"{what}: the disk is full: {message}" : $"{what}: {message}")
        {
            IsNoSpace = full,
            IsCorruption = message.StartsWith("Corruption:", StringComparison.Ordinal) || IsMissingFile(message),
        };
    }

    /// <summary>True when a file with data, or the list of files that the file CURRENT names, is gone.</summary>
    private static bool IsMissingFile(string message) =>
        message.Contains("No such file or directory", StringComparison.Ordinal)
        && Named.Any(text => message.Contains(text, StringComparison.Ordinal));

    /// <summary>True when opening failed because this or another process has the folder open.</summary>
    public static bool IsLocked(string message) =>
        message.Contains("While lock file", StringComparison.Ordinal)
        || message.Contains("lock hold by current process", StringComparison.Ordinal);
}
