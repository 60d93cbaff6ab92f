using System.Globalization;
using Ipcs.Blockstore.Posix;
using Microsoft.Win32.SafeHandles;

namespace Ipcs.CommandLine;

/// <summary>
/// The files of an upload that the daemon reads through this process's descriptors. Keep it until the daemon has answered. Owns the
/// descriptors.
/// </summary>
internal sealed class PassedFiles : IDisposable
{
    /// <summary>The length in bytes from which passing a descriptor is faster than sending the bytes.</summary>
    private const long MinLength = 1 << 20;

    /// <summary>The most files that are passed, the largest ones: all are open at once, and a process may have about a thousand.</summary>
    private const int MaxFiles = 256;

    private readonly Dictionary<UploadEntry, SafeFileHandle> _files = [];
    private long _reported;

    private PassedFiles()
    {
    }

    /// <summary>True when no file is passed.</summary>
    public bool IsEmpty => _files.Count == 0;

    /// <summary>The number of the first descriptor.</summary>
    public string FirstNumber => NumberOf(_files.Values.First());

    /// <summary>Opens the files that are worth passing.</summary>
    /// <exception cref="CommandException">A file can't be opened.</exception>
    public static PassedFiles Open(IReadOnlyList<UploadEntry> entries)
    {
        var passed = new PassedFiles();
        try
        {
            IEnumerable<UploadEntry> large = entries.Where(e => e is { Kind: UploadKind.File, Length: >= MinLength });
            foreach (UploadEntry entry in large.OrderByDescending(e => e.Length).Take(MaxFiles))
            {
                SafeFileHandle file = File.OpenHandle(entry.Path, options: FileOptions.SequentialScan);
                passed._files.Add(entry, file);
                PassedDescriptor.Mark(file);
            }

            return passed;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            passed.Dispose();
            throw new CommandException(e.Message);
        }
    }

    /// <summary>The number of a file's descriptor; null when the file is not passed.</summary>
    public string? Number(in UploadEntry entry) =>
        entry.Length >= MinLength && _files.TryGetValue(entry, out SafeFileHandle? file) ? NumberOf(file) : null;

    /// <summary>How many bytes the daemon has read since the last call.</summary>
    public long TakeRead()
    {
        long all = _files.Values.Sum(PassedDescriptor.Position);
        long read = all - _reported;
        _reported = all;
        return read;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (SafeFileHandle file in _files.Values)
        {
            file.Dispose();
        }
    }

    private static string NumberOf(SafeFileHandle file) => file.DangerousGetHandle().ToString(CultureInfo.InvariantCulture);
}
