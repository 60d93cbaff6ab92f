using System.Globalization;
using System.Text.Json.Nodes;
using Ipcs.Blockstore;
using Ipcs.Blockstore.Posix;
using Ipcs.Dag.Chunking;
using Ipcs.Dag.Import;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.WebUtilities;

namespace Ipcs.ControlApi;

/// <summary><c>add</c>: imports files, directories and symbolic links, which clients send depth first.</summary>
internal sealed class AddApi(IStore store)
{
    /// <summary><c>add</c>: the files are the parts' bodies.</summary>
    public Task AddAsync(ApiRequest request) => AddAsync(request, client: null);

    /// <summary>
    /// <c>ipcs/add</c>: as <c>add</c>, but a part may also name a descriptor that the client has open (<see cref="PassedDescriptor"/>). The
    /// descriptor in the option <c>descriptor</c> is duplicated before the body is read; status 501 when that can't be done.
    /// </summary>
    public async Task AddPassedAsync(ApiRequest request)
    {
        int descriptor = request.Number("descriptor") is { } number and <= int.MaxValue
            ? (int)number
            : throw ApiException.Bad("option descriptor: a descriptor's number is required");
        using ClientProcess client = ClientProcess.Open(request.Context.Features.Get<IConnectionSocketFeature>()?.Socket, descriptor);
        await AddAsync(request, client);
    }

    private async Task AddAsync(ApiRequest request, ClientProcess? client)
    {
        request.Refuse("only-hash", "nocopy", "fscache", "inline", "to-files");
        if (request.Option("hash") is not (null or "sha2-256"))
        {
            throw ApiException.Bad($"option hash: '{request.Option("hash")}' is not sha2-256");
        }

        ImportProfile profile = Profile(request);
        var tree = new AddTree(store, profile, client, request.Flag("pin", true), request.Flag("wrap-with-directory"));
        MultipartReader parts = Multipart.Open(request);

        // Nothing else protects the blocks before the roots are pinned.
        using GcLease gcLease = store.LeaseTouched();
        try
        {
            while (await Multipart.NextAsync(parts, request.Aborted) is { } part)
            {
                await tree.AddAsync(AddPart.Parse(part), part.Body, request.Aborted);
            }

            tree.Finish();
        }
        catch (ArgumentException e)
        {
            // A name, path or target that UnixFS does not allow.
            throw ApiException.Bad(e.Message);
        }

        foreach ((string name, DagRoot root) in tree.Added)
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

            // As in Kubo, version 1 has raw leaves by default.
            RawLeaves = request.Flag("raw-leaves", version == 1),
            Chunker = chunker,
            Layout = request.Flag("trickle") ? DagLayout.Trickle : DagLayout.Balanced,
        };
    }
}
