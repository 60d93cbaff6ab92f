using System.Formats.Tar;
using System.Text.Json;
using System.Text.Json.Nodes;
using Ipcs.Dag;
using Ipcs.Dag.Directories;
using Ipcs.Dag.Read;
using Ipcs.Dag.UnixFs;
using Ipcs.Multiformats;

namespace Ipcs.ControlApi;

/// <summary><c>cat</c>, <c>get</c> and <c>ls</c>.</summary>
internal sealed class FilesApi(RequestBlockSources sources)
{
    /// <summary>How many leaves are read ahead of the client.</summary>
    private const int ReadAhead = 32;

    /// <summary>
    /// The most entries in one archive of <c>get</c>. A small DAG that links to the same directory many times is a huge tree.
    /// </summary>
    private const int MaxEntries = 1 << 22;

    public async Task CatAsync(ApiRequest request)
    {
        string arg = request.Arg(0, "ipfs-path");
        long offset = request.Number("offset") ?? 0;
        long most = request.Number("length") ?? long.MaxValue;
        await using var blocks = sources.Open(request);
        Cid root = await blocks.ResolveAsync(arg, request.Aborted);
        UnixFsStat stat = await UnixFsStat.GetAsync(root, blocks, request.Aborted);
        if (stat.Type != UnixFsType.File)
        {
            throw new ApiException(stat.IsDirectory ? $"{arg} is a directory" : $"{arg} is a symbolic link to {stat.Target}");
        }

        if (offset == 0 && most >= stat.Size)
        {
            await blocks.ReadAllAsync(root);
        }

        await using DagReader reader = await DagReader.OpenAsync(root, blocks, ReadAhead, request.Aborted);
        if (offset > reader.Length)
        {
            throw ApiException.Bad($"option offset: {offset} is past the end, {reader.Length}");
        }

        long length = Math.Min(most, reader.Length - offset);
        await request.BytesAsync(
            "application/octet-stream", length, async body => await reader.CopyToAsync(body, offset, length, request.Aborted));
    }

    public async Task GetAsync(ApiRequest request)
    {
        request.Refuse("compress");
        string arg = request.Arg(0, "ipfs-path");
        await using var blocks = sources.Open(request);
        Cid root = await blocks.ResolveAsync(arg, request.Aborted);
        UnixFsStat stat = await UnixFsStat.GetAsync(root, blocks, request.Aborted);
        string name = arg.TrimEnd('/').Split('/')[^1];
        await blocks.ReadAllAsync(root);

        await request.BytesAsync("application/x-tar", length: null, async body =>
        {
            // Disposed only on success, since the end mark would make an archive that was cut off look complete.
#pragma warning disable CA2000
            var tar = new TarWriter(body, TarEntryFormat.Pax, leaveOpen: true);
#pragma warning restore CA2000
            var writer = new UnixFsTarWriter(tar, blocks, MaxEntries);
            await writer.AddAsync(name, stat, request.Aborted);
            await tar.DisposeAsync();
        });
    }

    /// <summary>
    /// Sends <c>{"Objects":[{"Hash":arg,"Links":[…]}]}</c>, or with the option <c>stream</c> one such line for each link.
    /// </summary>
    public async Task ListAsync(ApiRequest request)
    {
        bool stream = request.Flag("stream");
        await using var blocks = sources.Open(request);
        var roots = new List<(string Arg, UnixFsStat Stat)>();
        for (int i = 0; i < Math.Max(1, request.Args()); i++)
        {
            string arg = request.Arg(i, "ipfs-path");
            roots.Add((arg, await UnixFsStat.GetAsync(await blocks.ResolveAsync(arg, request.Aborted), blocks, request.Aborted)));
        }

        if (stream)
        {
            request.Lines();
            foreach ((string arg, UnixFsStat stat) in roots)
            {
                await foreach (JsonObject link in LinksAsync(stat, blocks, request.Aborted))
                {
                    await request.LineAsync(Output(arg, new JsonArray((JsonNode)link)));
                }
            }

            return;
        }

        await using var document = new DocumentWriter(request);
        await document.AddAsync("{\"Objects\":[");
        for (int i = 0; i < roots.Count; i++)
        {
            await document.AddAsync($"{(i > 0 ? "," : "")}{{\"Hash\":\"{JsonEncodedText.Encode(roots[i].Arg)}\",\"Links\":[");
            bool first = true;
            await foreach (JsonObject link in LinksAsync(roots[i].Stat, blocks, request.Aborted))
            {
                await document.AddAsync((first ? "" : ",") + link.ToJsonString());
                first = false;
            }

            await document.AddAsync("]}");
        }

        await document.AddAsync("]}\n");
        await document.EndAsync();
    }

    private static JsonObject Output(string arg, JsonArray links) =>
        new() { ["Objects"] = new JsonArray((JsonNode)new JsonObject { ["Hash"] = arg, ["Links"] = links }) };

    /// <summary>The entries of a directory, or the nameless links of a file.</summary>
    private static async IAsyncEnumerable<JsonObject> LinksAsync(
        UnixFsStat root, IBlockSource blocks, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
    {
        if (root.IsDirectory)
        {
            await foreach (DirectoryEntry entry in DirectoryReader.ListAsync(root.Cid, blocks, cancellationToken))
            {
                yield return await LinkAsync(entry.Name, entry.Cid, entry.Tsize, blocks, cancellationToken);
            }
        }
        else if (root.Cid.Codec == Multicodec.DagPb)
        {
            await foreach (DagRef link in DagRefs.ListAsync(root.Cid, blocks, recursive: false, unique: false, cancellationToken))
            {
                yield return await LinkAsync(link.Name, link.Target, null, blocks, cancellationToken);
            }
        }
    }

    private static async Task<JsonObject> LinkAsync(
        string name, Cid cid, ulong? size, IBlockSource blocks, CancellationToken cancellationToken)
    {
        // A raw block is a file with the size in the link, so that it need not be fetched.
        bool known = cid.Codec == Multicodec.Raw && size is not null;
        UnixFsStat? stat = known ? null : await UnixFsStat.GetAsync(cid, blocks, cancellationToken);
        UnixFsType type = stat switch
        {
            null => UnixFsType.File,
            { IsDirectory: true } => UnixFsType.Directory,
            _ => stat.Type,
        };
        return new JsonObject
        {
            ["Name"] = name,
            ["Hash"] = cid.ToString(),
            ["Size"] = stat is null ? size : (ulong)stat.Size,
            ["Type"] = (int)type,
            ["Target"] = stat?.Target ?? "",
        };
    }
}
