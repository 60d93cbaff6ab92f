using System.Formats.Tar;

namespace Ipcs.CommandLine;

/// <summary>
/// Puts what an archive of <c>get</c> has to a place in the file system and nowhere else: no name may lead out of it, nothing is written through a
/// symbolic link, and links are made last. What is there is replaced, file by file.
/// </summary>
internal sealed class TarExtractor(string target)
{
    private const UnixFileMode Permissions = (UnixFileMode)0x1ff;

    private readonly List<(string Path, string Target)> _links = [];
    private readonly List<(string Path, UnixFileMode Mode)> _folders = [];
    private long _bytes;

    /// <summary>Extracts; returns the bytes of all files.</summary>
    /// <param name="archive">Read to its end.</param>
    /// <param name="root">The name of the entry that everything is in; it becomes the target.</param>
    /// <param name="cancellationToken">Stops it; what was written stays.</param>
    /// <exception cref="CommandException">The archive has a name that can't be, or breaks off.</exception>
    public async Task<long> ExtractAsync(Stream archive, string root, CancellationToken cancellationToken)
    {
        using var progress = new TransferDisplay(total: null);
        await using var tar = new TarReader(archive, leaveOpen: true);
        bool any = false;
        while (await NextAsync(tar, cancellationToken) is { } entry)
        {
            any = true;
            string path = Place(entry.Name, root);
            switch (entry.EntryType)
            {
                case TarEntryType.Directory:
                    MakeFolder(path, entry.Mode);
                    break;
                case TarEntryType.SymbolicLink:
                    _links.Add((path, entry.LinkName));
                    break;
                case TarEntryType.RegularFile:
                    await WriteAsync(path == target && Directory.Exists(target) ? Path.Combine(target, root) : path, entry, progress, cancellationToken);
                    break;
                default:
                    throw new CommandException($"{entry.Name} is neither a file nor a folder nor a symbolic link");
            }
        }

        if (!any)
        {
            throw new CommandException("the daemon sent nothing");
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
            throw new CommandException($"the daemon's archive is ill-formed: {e.Message}");
        }
    }

    /// <summary>Where an entry goes: under the target, by names that are only names.</summary>
    private string Place(string name, string root)
    {
        string[] names = name.TrimEnd('/').Split('/');
        if (names[0] != root || names.Any(n => n is "" or "." or ".." || n.Contains('\0', StringComparison.Ordinal)))
        {
            throw new CommandException($"the archive has an entry '{name}', which does not lie in '{root}'");
        }

        string path = target;
        for (int i = 1; i < names.Length; i++)
        {
            // A link that lies there from before, not one of ours: those are made last.
            if (new FileInfo(path).LinkTarget is not null)
            {
                throw new CommandException($"{path} is a symbolic link: nothing is written through it");
            }

            path = Path.Combine(path, names[i]);
        }

        return path;
    }

    private void MakeFolder(string path, UnixFileMode mode)
    {
        if (new FileInfo(path).LinkTarget is not null && path != target)
        {
            File.Delete(path);
        }

        Directory.CreateDirectory(path);
        _folders.Add((path, mode & Permissions));
    }

    private async Task WriteAsync(string path, TarEntry entry, TransferDisplay progress, CancellationToken cancellationToken)
    {
        File.Delete(path);
        await using var file = new FileStream(path, new FileStreamOptions
        {
            // New, so that it can't be a link.
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
        foreach ((string path, string to) in _links)
        {
            File.Delete(path);
            File.CreateSymbolicLink(path, to);
        }

        // The deepest first, and after all is in them: a folder may be read-only.
        foreach ((string path, UnixFileMode mode) in Enumerable.Reverse(_folders))
        {
            File.SetUnixFileMode(path, mode);
        }
    }
}
