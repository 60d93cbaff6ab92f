using System.Formats.Tar;

namespace Ipcs.CommandLine;

/// <summary>
/// Extracts an archive of <c>get</c> to one path and to no other: a name that leads out of it is refused, nothing is written through a
/// symbolic link, and symbolic links are made last. Existing files are replaced one by one.
/// </summary>
internal sealed class TarExtractor(string target, TimeProvider time)
{
    private const UnixFileMode Permissions = (UnixFileMode)0x1ff;

    private readonly List<(string Path, string Target)> _links = [];
    private readonly List<(string Path, UnixFileMode Mode)> _directories = [];
    private long _bytes;

    /// <summary>Extracts an archive. Returns the bytes of all files.</summary>
    /// <param name="archive">The archive, which is read to its end.</param>
    /// <param name="root">The name of the entry that contains all others. It is extracted as the target.</param>
    /// <param name="cancellationToken">Stops the extraction. Files that were written are not removed.</param>
    /// <exception cref="CommandException">The archive is malformed, cut off, or has a name that is not allowed.</exception>
    public async Task<long> ExtractAsync(Stream archive, string root, CancellationToken cancellationToken)
    {
        using var progress = new TransferDisplay(time, total: null);
        await using var tar = new TarReader(archive, leaveOpen: true);
        bool any = false;
        while (await NextAsync(tar, cancellationToken) is { } entry)
        {
            any = true;
            string path = Place(entry.Name, root);
            switch (entry.EntryType)
            {
                case TarEntryType.Directory:
                    MakeDirectory(path, entry.Mode);
                    break;
                case TarEntryType.SymbolicLink:
                    _links.Add((path, entry.LinkName));
                    break;
                case TarEntryType.RegularFile:
                    string file = path == target && Directory.Exists(target) ? Path.Combine(target, root) : path;
                    await WriteAsync(file, entry, progress, cancellationToken);
                    break;
                default:
                    throw new CommandException($"{entry.Name} is not a file, directory or symbolic link");
            }
        }

        if (!any)
        {
            throw new CommandException("the daemon sent an empty archive");
        }

        Finish();
        return _bytes;
    }

    private static async Task<TarEntry?> NextAsync(TarReader tar, CancellationToken cancellationToken)
    {
        try
        {
            return await tar.GetNextEntryAsync(copyData: false, cancellationToken);
        }
        catch (Exception e) when (e is InvalidDataException or EndOfStreamException or FormatException)
        {
            throw new CommandException($"the daemon's archive is malformed: {e.Message}");
        }
    }

    /// <summary>The path of an entry, which is below the target.</summary>
    private string Place(string name, string root)
    {
        string[] names = name.TrimEnd('/').Split('/');
        if (names[0] != root || names.Any(n => n is "" or "." or ".." || n.Contains('\0', StringComparison.Ordinal)))
        {
            throw new CommandException($"the archive has an entry '{name}', which is not below '{root}'");
        }

        string path = target;
        for (int i = 1; i < names.Length; i++)
        {
            // The link was there before: those of the archive are made last.
            if (new FileInfo(path).LinkTarget is not null)
            {
                throw new CommandException($"{path} is a symbolic link, and nothing is written through it");
            }

            path = Path.Combine(path, names[i]);
        }

        return path;
    }

    private void MakeDirectory(string path, UnixFileMode mode)
    {
        if (new FileInfo(path).LinkTarget is not null && path != target)
        {
            File.Delete(path);
        }

        Directory.CreateDirectory(path);
        _directories.Add((path, mode & Permissions));
    }

    private async Task WriteAsync(string path, TarEntry entry, TransferDisplay progress, CancellationToken cancellationToken)
    {
        File.Delete(path);
        await using var file = new FileStream(path, new FileStreamOptions
        {
            // A new file is not a symbolic link.
            Mode = FileMode.CreateNew,
            Access = FileAccess.Write,
            BufferSize = 0,
            UnixCreateMode = entry.Mode & Permissions,
        });
        if (entry.DataStream is not { } data)
        {
            return;
        }

        byte[] buffer = new byte[1 << 18];
        for (int n; (n = await data.ReadAsync(buffer, cancellationToken)) > 0;)
        {
            await file.WriteAsync(buffer.AsMemory(0, n), cancellationToken);
            progress.Add(n);
            _bytes += n;
        }
    }

    private void Finish()
    {
        foreach ((string path, string linkTarget) in _links)
        {
            File.Delete(path);
            File.CreateSymbolicLink(path, linkTarget);
        }

        // After the entries were written, the deepest first, since a directory may be read-only.
        foreach ((string path, UnixFileMode mode) in Enumerable.Reverse(_directories))
        {
            File.SetUnixFileMode(path, mode);
        }
    }
}
