using System.Text;

namespace Ipcs.Dag.Directories;

/// <summary>Checks the names of directory entries: they must be legal in paths and file systems.</summary>
public static class EntryName
{
    /// <summary>
    /// The longest name, in bytes of UTF-8: four times the limit of file systems, low enough that a shard of 256 entries fits a block.
    /// </summary>
    public const int MaxLength = 1024;

    /// <summary>Returns null when the name is legal, or the problem.</summary>
    internal static string? Problem(string name) => name switch
    {
        "" => "is empty",
        "." or ".." => "is a place, not a name",
        _ when name.AsSpan().ContainsAny('/', '\0') => "has a slash or a zero in it",
        _ when Encoding.UTF8.GetByteCount(name) > MaxLength => $"is longer than {MaxLength} bytes",
        _ => null,
    };
}
