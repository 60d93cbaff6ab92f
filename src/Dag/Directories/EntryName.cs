using System.Text;

namespace Ipcs.Dag.Directories;

/// <summary>The names that entries of a directory may have: those that a path and a file system can hold.</summary>
public static class EntryName
{
    /// <summary>The longest name, in bytes of UTF-8: four times what file systems take, so that a shard of 256 entries stays a block.</summary>
    public const int MaxLength = 1024;

    /// <summary>Null when the name is legal, or what is wrong with it.</summary>
    internal static string? Problem(string name) => name switch
    {
        "" => "is empty",
        "." or ".." => "is a place, not a name",
        _ when name.AsSpan().ContainsAny('/', '\0') => "has a slash or a zero in it",
        _ when Encoding.UTF8.GetByteCount(name) > MaxLength => $"is longer than {MaxLength} bytes",
        _ => null,
    };
}
