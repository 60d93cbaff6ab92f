using Ipcs.Blockstore.Posix;

namespace Ipcs.CommandLine;

/// <summary>One part of an upload.</summary>
/// <param name="Kind">What is sent.</param>
/// <param name="Name">Its path in the request.</param>
/// <param name="Path">Its path in the file system; <c>-</c> for standard input.</param>
/// <param name="Length">A file's length in bytes; null when it is not known.</param>
internal readonly record struct UploadEntry(UploadKind Kind, string Name, string Path, long? Length)
{
    /// <summary>The most entries of one upload, which are all in memory. The daemon has the same limit.</summary>
    private const int MaxEntries = 1 << 20;

    /// <summary>
    /// Finds the entries at and below a path, depth first, in the order of names. A symbolic link at the path itself is followed; one below
    /// it is sent as a link.
    /// </summary>
    /// <exception cref="CommandException">The path does not exist, or something below it is not a file, directory or symbolic
    /// link.</exception>
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
            // The root directory has no name.
            AddDirectory(found, new DirectoryInfo(full), name.Length > 0 ? name : "root", hidden);
        }
        else
        {
            Add(found, File.Exists(full) ? new FileInfo(full) : throw new CommandException($"{path} does not exist"), name, follow: true);
        }

        return found;
    }

    private static void AddDirectory(List<UploadEntry> found, DirectoryInfo directory, string name, bool hidden)
    {
        Add(found, new UploadEntry(UploadKind.Directory, name, directory.FullName, null));
        foreach (FileSystemInfo info in directory.EnumerateFileSystemInfos().OrderBy(i => i.Name, StringComparer.Ordinal))
        {
            if (!hidden && info.Name.StartsWith('.'))
            {
                continue;
            }

            string below = $"{name}/{info.Name}";
            if (info is DirectoryInfo inner && info.LinkTarget is null)
            {
                AddDirectory(found, inner, below, hidden);
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

        // A pipe that is named on the command line is read to its end. One that is found in a directory, or a device, might never end.
        if (!follow && !FileKind.IsRegular(info.FullName))
        {
            throw new CommandException($"{info.FullName} is not a file, directory or symbolic link");
        }

        long? length = FileKind.IsRegular(info.FullName) ? ((FileInfo)info).Length : null;
        Add(found, new UploadEntry(UploadKind.File, name, info.FullName, length));
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
