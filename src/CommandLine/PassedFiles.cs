using System.Globalization;
using Ipcs.Blockstore.Posix;
using Microsoft.Win32.SafeHandles;

namespace Ipcs.CommandLine;

/// <summary>The files of an upload that the daemon reads itself, by our descriptors. To be kept until its answer has come. Owns the descriptors.</summary>
internal sealed class PassedFiles : IDisposable
{
    /// <summary>In bytes. What is shorter goes through the socket sooner than it is opened there.</summary>
    private const long MinLength = 1 << 20;

    /// <summary>All are open at once, of the some thousand that a process may have open. With more files, the largest are passed.</summary>
    private const int MaxFiles = 256;

    private readonly Dictionary<UploadEntry, SafeFileHandle> _files = [];
    private long _seen;

    private PassedFiles()
    {
    }

    /// <summary>True when there is nothing to pass.</summary>
    public bool IsEmpty => _files.Count == 0;

    /// <summary>The number of one of the descriptors.</summary>
    public string One => NumberOf(_files.Values.First());

    /// <summary>Opens what is worth passing.</summary>
    /// <exception cref="CommandException">A file can't be opened.</exception>
    public static PassedFiles Open(IReadOnlyList<UploadEntry> entries)
    {
        var passed = new PassedFiles();
        try
        {
            foreach (UploadEntry entry in entries.Where(e => e is { Kind: UploadKind.File, Length: >= MinLength }).OrderByDescending(e => e.Length).Take(MaxFiles))
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

    /// <summary>The number of a file's descriptor; null when it isn't passed.</summary>
    public string? Number(in UploadEntry entry) =>
        entry.Length >= MinLength && _files.TryGetValue(entry, out SafeFileHandle? file) ? NumberOf(file) : null;

    /// <summary>How many bytes the daemon has read since the last call.</summary>
    public long TakeRead()
    {
        long all = _files.Values.Sum(PassedDescriptor.Position);
        long read = all - _seen;
        _seen = all;
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
