using Ipcs.Blockstore;
using Ipcs.Blockstore.Posix;
using Ipcs.Dag.Directories;
using Ipcs.Dag.Import;

namespace Ipcs.ControlApi;

/// <summary>
/// Imports the files of one request of <c>add</c>. With <paramref name="wrap"/> all of them go into one directory; otherwise each name at
/// the top is a root of its own.
/// </summary>
internal sealed class AddTree(IStore store, ImportProfile profile, ClientProcess? client, bool pin, bool wrap)
{
    /// <summary>
    /// The most parts of one request. The results are sent after the last part, since a client may send its whole body before it reads.
    /// Each takes about 250 bytes until then.
    /// </summary>
    private const int MaxParts = 1 << 20;

    private readonly List<(string Name, DagRoot Root)> _added = [];
    private TreeBuilder? _tree;
    private string _top = "";
    private int _parts;

    /// <summary>The added files and directories, each directory after its entries.</summary>
    public IReadOnlyList<(string Name, DagRoot Root)> Added => _added;

    /// <summary>Imports a part.</summary>
    public async Task AddAsync(AddPart part, Stream body, CancellationToken cancellationToken)
    {
        if (++_parts > MaxParts)
        {
            throw ApiException.Bad($"more than {MaxParts} files in one request");
        }

        (string top, string below) = Split(part.Path);
        if (!wrap && _tree is not null && top != _top)
        {
            Close();
        }

        if (part.Kind == AddKind.Directory)
        {
            Tree(top).AddDirectory(wrap ? part.Path : below, part.Mode, part.MTime);
            return;
        }

        DagRoot root = await ImportAsync(part, body, cancellationToken);
        _added.Add((part.Path, root));
        if (wrap)
        {
            Tree(top).AddFile(part.Path.Length > 0 ? part.Path : root.Root.ToString(), root);
        }
        else if (below.Length > 0)
        {
            Tree(top).AddFile(below, root);
        }
        else
        {
            Pin(part.Path, root);
        }
    }

    /// <summary>Ends the last root.</summary>
    public void Finish()
    {
        if (_parts == 0)
        {
            throw ApiException.Bad("the request has no file");
        }

        if (_tree is not null)
        {
            Close();
        }
    }

    private async Task<DagRoot> ImportAsync(AddPart part, Stream body, CancellationToken cancellationToken)
    {
        if (part.Kind == AddKind.Symlink)
        {
            string target = await AddPart.ReadTargetAsync(body, cancellationToken);
            return DirectoryBuilder.PutSymlink(store.Blocks, profile, target, part.Mode, part.MTime);
        }

        await using Stream? passed = part.Descriptor is { } descriptor ? OpenPassed(descriptor) : null;
        Stream file = passed ?? body;
        return await DagImport.FromStreamAsync(file, store.Blocks, profile, part.Mode, part.MTime, alsoHash: null, cancellationToken);
    }

    private PassedFile OpenPassed(int descriptor) =>
        client?.OpenFile(descriptor) ?? throw ApiException.Bad($"{PassedDescriptor.Header}: only ipcs/add takes descriptors");

    private static (string Top, string Below) Split(string path)
    {
        int slash = path.IndexOf('/', StringComparison.Ordinal);
        return slash < 0 ? (path, "") : (path[..slash], path[(slash + 1)..]);
    }

    private TreeBuilder Tree(string top)
    {
        string root = wrap ? "" : top;
        _top = top;
        return _tree ??= new TreeBuilder(store.Blocks, profile)
        {
            OnDirectory = (path, directory) => _added.Add((string.Join('/', ((string[])[root, path]).Where(p => p.Length > 0)), directory)),
        };
    }

    private void Close()
    {
        DagRoot root = _tree!.Finish();
        _tree = null;
        Pin(wrap ? "" : _top, root);
    }

    private void Pin(string name, DagRoot root)
    {
        if (pin)
        {
            store.Pins.Put(new PinRecord(root.Root, Recursive: true, name));
        }
    }
}
