using Ipcs.Blockstore.Posix;

namespace Ipcs.CommandLine;

/// <summary>What an upload sends of one place in the file system.</summary>
internal enum UploadKind
{
    /// <summary>A file's bytes.</summary>
    File,

    /// <summary>A folder, without what is in it.</summary>
    Directory,

    /// <summary>A symbolic link's target.</summary>
    Symlink,
}

/// <summary>One part of an upload.</summary>
/// <param name="Kind">What it is.</param>
/// <param name="Name">Its path in the request.</param>
/// <param name="Path">Its path in the file system; <c>-</c> for standard input.</param>
/// <param name="Length">A file's length in bytes, as far as it is known.</param>
internal readonly record struct UploadEntry(UploadKind Kind, string Name, string Path, long? Length)
{
    /// <summary>The most places in one upload, all of which are in memory; the daemon takes no more either.</summary>
    private const int MaxEntries = 1 << 20;

    /// <summary>
    /// Everything at and below a path, depth first, in the order of names. The path itself may be a symbolic link to what is meant; links below it
    /// are sent as links.
    /// </summary>
    /// <exception cref="CommandException">There is nothing, or something that is neither file, folder nor link.</exception>
    public static IReadOnlyList<UploadEntry> Find(string path, bool hidden)
    {
        if (path == "-")
        {
            return [new UploadEntry(UploadKind.File, "", path, null)];
        }

        string full = System.IO.Path.TrimEndingDirectorySeparator(System.IO.Path.GetFullPath(path));
        string name = System.IO.Path.GetFileName(full);
        var found = new List<UploadEntry>();
        if (Directory.Exists(full))
        {
            // The folder / has no name of its own.
            AddFolder(found, new DirectoryInfo(full), name.Length > 0 ? name : "root", hidden);
        }
        else
        {
            Add(found, File.Exists(full) ? new FileInfo(full) : throw new CommandException($"{path} is not there"), name, follow: true);
        }

        return found;
    }

    private static void AddFolder(List<UploadEntry> found, DirectoryInfo folder, string name, bool hidden)
    {
        Add(found, new UploadEntry(UploadKind.Directory, name, folder.FullName, null));
        foreach (FileSystemInfo info in folder.EnumerateFileSystemInfos().OrderBy(i => i.Name, StringComparer.Ordinal))
        {
            if (!hidden && info.Name.StartsWith('.'))
            {
                continue;
            }

            string below = $"{name}/{info.Name}";
            if (info is DirectoryInfo inner && info.LinkTarget is null)
            {
                AddFolder(found, inner, below, hidden);
            }
            else
            {
                Add(found, info, below, follow: false);
            }
        }
    }

    private static void Add(List<UploadEntry> found, FileSystemInfo info, string name, bool follow)
    {
        if (!follow && info.LinkTarget is not null)
        {
            Add(found, new UploadEntry(UploadKind.Symlink, name, info.FullName, null));
            return;
        }

        // A pipe that somebody names is read to its end; one that merely lies in a folder would be waited for without end, as would a device.
        if (!follow && !FileKind.IsRegular(info.FullName))
        {
            throw new CommandException($"{info.FullName} is neither a file nor a folder nor a symbolic link");
        }

        Add(found, new UploadEntry(UploadKind.File, name, info.FullName, FileKind.IsRegular(info.FullName) ? ((FileInfo)info).Length : null));
    }

    private static void Add(List<UploadEntry> found, UploadEntry entry)
    {
        if (found.Count == MaxEntries)
        {
            throw new CommandException($"there are more than {MaxEntries} files in one upload");
        }

        found.Add(entry);
    }
}
