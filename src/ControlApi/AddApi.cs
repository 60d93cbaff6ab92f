using System.Globalization;
using System.Text.Json.Nodes;
using Ipcs.Blockstore;
using Ipcs.Blockstore.Posix;
using Ipcs.Dag.Chunking;
using Ipcs.Dag.Directories;
using Ipcs.Dag.Import;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.WebUtilities;

namespace Ipcs.ControlApi;

/// <summary><c>add</c>: files, folders and links, depth first as Kubo's clients send them.</summary>
internal sealed class AddApi(IStore store)
{
    /// <summary>
    /// The most parts of one request. What was added is told at the end (a client that sends before it reads must not stand still), so each takes
    /// some 250 bytes until then.
    /// </summary>
    private const int MaxParts = 1 << 20;

    /// <summary>Files as the parts' bodies.</summary>
    public Task AddAsync(ApiRequest request) => AddAsync(request, client: null);

    /// <summary>
    /// <c>ipcs/add</c>: the same, where a file may also be a descriptor that the client has open (<see cref="PassedDescriptor"/>). Whether it may is tried
    /// with the one in option <c>descriptor</c> before the body is read, and told by a status of its own.
    /// </summary>
    public async Task AddPassedAsync(ApiRequest request)
    {
        int one = request.Number("descriptor") is { } number and <= int.MaxValue ? (int)number : throw ApiException.Bad("option descriptor: the number of one is required");
        using PeerProcess client = PeerProcess.Open(request.Context.Features.Get<IConnectionSocketFeature>()?.Socket, one);
        await AddAsync(request, client);
    }

    private async Task AddAsync(ApiRequest request, PeerProcess? client)
    {
        request.Refuse("only-hash", "nocopy", "fscache", "inline", "to-files");
        if (request.Option("hash") is not (null or "sha2-256"))
        {
            throw ApiException.Bad($"option hash: '{request.Option("hash")}' is not sha2-256");
        }

        ImportProfile profile = Profile(request);
        var work = new Work(store, profile, client, request.Flag("pin", true), request.Flag("wrap-with-directory"));
        MultipartReader parts = Multipart.Open(request);

        // Until the roots are pinned, nothing else keeps their blocks.
        using GcLease hold = store.LeaseTouched();
        try
        {
            while (await Multipart.NextAsync(parts, request.Aborted) is { } part)
            {
                await work.TakeAsync(AddPart.Parse(part), part.Body, request.Aborted);
            }

            work.Finish();
        }
        catch (ArgumentException e)
        {
            // A name, a path or a target that can't be.
            throw ApiException.Bad(e.Message);
        }

        foreach ((string name, DagRoot root) in work.Added)
        {
            await request.LineAsync(new JsonObject
            {
                ["Name"] = name.Length > 0 ? name : root.Root.ToString(),
                ["Hash"] = root.Root.ToString(),
                ["Size"] = root.DagSize.ToString(CultureInfo.InvariantCulture),
            });
        }
    }

    private static ImportProfile Profile(ApiRequest request)
    {
        long version = request.Number("cid-version") ?? 0;
        if (version is not (0 or 1))
        {
            throw ApiException.Bad($"option cid-version: {version} is not 0 or 1");
        }

        if (!ChunkerSpec.TryParse(request.Option("chunker") ?? ChunkerSpec.Default.Text, out ChunkerSpec? chunker, out string? problem))
        {
            throw ApiException.Bad($"option chunker: {problem}");
        }

        return new ImportProfile
        {
            Name = "",
            CidVersion = (int)version,

            // Kubo's rule: version 1 has raw leaves unless said otherwise.
            RawLeaves = request.Flag("raw-leaves", version == 1),
            Chunker = chunker,
            Layout = request.Flag("trickle") ? DagLayout.Trickle : DagLayout.Balanced,
        };
    }

    /// <summary>One request's tree: everything under one folder when it wraps, else each name at the top by itself.</summary>
    private sealed class Work(IStore store, ImportProfile profile, PeerProcess? client, bool pin, bool wrap)
    {
        private readonly List<(string Name, DagRoot Root)> _added = [];
        private TreeBuilder? _tree;
        private string _top = "";
        private int _parts;

        /// <summary>What was added, a folder after what is in it.</summary>
        public IReadOnlyList<(string Name, DagRoot Root)> Added => _added;

        public async Task TakeAsync(AddPart part, Stream body, CancellationToken cancellationToken)
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

            DagRoot root = part.Kind == AddKind.Symlink
                ? DirectoryBuilder.PutSymlink(store.Blocks, profile, await AddPart.ReadTargetAsync(body, cancellationToken), part.Mode, part.MTime)
                : await ImportAsync(part, body, cancellationToken);
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
                Keep(part.Path, root);
            }
        }

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
            await using Stream? passed = part.Descriptor is { } descriptor ? OpenPassed(descriptor) : null;
            return await DagImport.FromStreamAsync(passed ?? body, store.Blocks, profile, part.Mode, part.MTime, alsoHash: null, cancellationToken);
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
            Keep(wrap ? "" : _top, root);
        }

        private void Keep(string name, DagRoot root)
        {
            if (pin)
            {
                store.Pins.Put(new PinRecord(root.Root, Recursive: true, name));
            }
        }
    }
}
