using System.Formats.Tar;
using Ipcs.Dag;
using Ipcs.Dag.Directories;
using Ipcs.Dag.Read;
using Ipcs.Dag.UnixFs;

namespace Ipcs.ControlApi;

/// <summary>Writes UnixFS files, directories and symbolic links into a tar archive, depth first.</summary>
internal sealed class UnixFsTarWriter(TarWriter tar, IBlockSource blocks, int maxEntries)
{
    /// <summary>How many leaves are read ahead of the client.</summary>
    private const int ReadAhead = 32;

    private const UnixFileMode DefaultFile =
        UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.OtherRead;

    private const UnixFileMode DefaultDirectory =
        DefaultFile | UnixFileMode.UserExecute | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute;

    // The times in seconds that an archive and DateTimeOffset can represent.
    private const long MinSeconds = 0;
    private const long MaxSeconds = 253402300799;

    private int _entries;

    /// <summary>Writes a node and everything below it.</summary>
    /// <exception cref="DagFormatException">There are too many entries, or they are nested too deep.</exception>
    public async Task AddAsync(string root, UnixFsStat stat, CancellationToken cancellationToken)
    {
        var open = new Stack<(string Path, IAsyncEnumerator<DirectoryEntry> Entries)>();
        try
        {
            await PutAsync(root, stat);
            while (open.TryPeek(out (string Path, IAsyncEnumerator<DirectoryEntry> Entries) at))
            {
                if (await at.Entries.MoveNextAsync())
                {
                    DirectoryEntry entry = at.Entries.Current;
                    await PutAsync($"{at.Path}/{entry.Name}", await UnixFsStat.GetAsync(entry.Cid, blocks, cancellationToken));
                }
                else
                {
                    await open.Pop().Entries.DisposeAsync();
                }
            }
        }
        finally
        {
            while (open.TryPop(out (string Path, IAsyncEnumerator<DirectoryEntry> Entries) left))
            {
                await left.Entries.DisposeAsync();
            }
        }

        async Task PutAsync(string path, UnixFsStat node)
        {
            await WriteAsync(path, node, cancellationToken);
            if (node.IsDirectory)
            {
                if (open.Count == TreeBuilder.MaxDepth)
                {
                    throw new DagFormatException($"{root} is deeper than {TreeBuilder.MaxDepth} directories");
                }

                open.Push((path, DirectoryReader.ListAsync(node.Cid, blocks, cancellationToken).GetAsyncEnumerator(cancellationToken)));
            }
        }
    }

    private async Task WriteAsync(string path, UnixFsStat node, CancellationToken cancellationToken)
    {
        if (++_entries > maxEntries)
        {
            throw new DagFormatException($"there are more than {maxEntries} files and directories");
        }

        if (node.IsDirectory)
        {
            await tar.WriteEntryAsync(With(new PaxTarEntry(TarEntryType.Directory, path + "/"), node, DefaultDirectory), cancellationToken);
        }
        else if (node.Type == UnixFsType.Symlink)
        {
            var link = new PaxTarEntry(TarEntryType.SymbolicLink, path) { LinkName = node.Target! };
            await tar.WriteEntryAsync(With(link, node, DefaultDirectory), cancellationToken);
        }
        else
        {
            await using DagReader reader = await DagReader.OpenAsync(node.Cid, blocks, ReadAhead, cancellationToken);
            await using var data = new DagStream(reader);
            var file = new PaxTarEntry(TarEntryType.RegularFile, path) { DataStream = data };
            await tar.WriteEntryAsync(With(file, node, DefaultFile), cancellationToken);
        }
    }

    private static PaxTarEntry With(PaxTarEntry entry, UnixFsStat node, UnixFileMode defaultMode)
    {
        const uint Permissions = 0xfff;
        entry.Mode = node.Mode is { } mode ? (UnixFileMode)(mode & Permissions) : defaultMode;

        // An entry without a time gets a fixed one, so that the same DAG makes the same archive.
        entry.ModificationTime = node.MTime is { Seconds: >= MinSeconds and <= MaxSeconds } time
            ? DateTimeOffset.FromUnixTimeSeconds(time.Seconds)
            : DateTimeOffset.UnixEpoch;
        return entry;
    }
}
