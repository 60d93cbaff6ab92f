using System.Text.Json.Nodes;
using Ipcs.Blockstore;
using Ipcs.Dag;
using Ipcs.Dag.Car;
using Ipcs.Dag.Read;
using Ipcs.Multiformats;
using Microsoft.AspNetCore.WebUtilities;

namespace Ipcs.ControlApi;

/// <summary><c>refs</c>, <c>dag stat</c>, <c>export</c> and <c>import</c>.</summary>
internal sealed class DagApi(IStore store, RequestBlockSources sources)
{
    /// <summary>Sends a line <c>{"Ref":CID,"Err":""}</c> for each link.</summary>
    public async Task RefsAsync(ApiRequest request)
    {
        request.Refuse("max-depth");
        bool recursive = request.Flag("recursive");
        bool unique = request.Flag("unique");
        string format = request.Option("format") is { Length: > 0 } given ? given : request.Flag("edges") ? "<src> -> <dst>" : "<dst>";
        await using var blocks = sources.Open(request);
        Cid[] roots = await RootsAsync(request, blocks);
        request.Lines();
        foreach (Cid root in roots)
        {
            if (recursive)
            {
                await blocks.ReadAllAsync(root);
            }

            await foreach (DagRef link in DagRefs.ListAsync(root, blocks, recursive, unique, request.Aborted))
            {
                string text = format
                    .Replace("<src>", link.Source.ToString(), StringComparison.Ordinal)
                    .Replace("<dst>", link.Target.ToString(), StringComparison.Ordinal)
                    .Replace("<linkname>", link.Name, StringComparison.Ordinal);
                await request.LineAsync(new JsonObject { ["Ref"] = text, ["Err"] = "" });
            }
        }
    }

    /// <summary>Counts the blocks and bytes of each root, and those of all roots together.</summary>
    public async Task StatAsync(ApiRequest request)
    {
        await using var blocks = sources.Open(request);
        var seen = new BlockSet();
        var stats = new JsonArray();
        long total = 0, sum = 0;
        long lastSize = 0, lastBlocks = 0;
        foreach (Cid root in await RootsAsync(request, blocks))
        {
            (lastSize, lastBlocks) = (0, 0);
            await blocks.ReadAllAsync(root);
            await foreach ((Cid cid, ReadOnlyMemory<byte> block) in DagWalk.InOrderAsync(
                [root], blocks, DagReader.MaxReadAhead, request.Aborted))
            {
                lastSize += block.Length;
                lastBlocks++;
                total += seen.Add(cid.Hash) ? block.Length : 0;
            }

            sum += lastSize;
            stats.Add((JsonNode)new JsonObject { ["Cid"] = Link(root), ["Size"] = lastSize, ["NumBlocks"] = lastBlocks });
        }

        var document = new JsonObject
        {
            ["UniqueBlocks"] = seen.Count,
            ["TotalSize"] = total,
            ["SharedSize"] = sum - total,
            ["Ratio"] = total == 0 ? 1 : (double)sum / total,
            ["DagStats"] = stats,
        };
        if (stats.Count == 1)
        {
            // Kubo's fields from before the command took several roots.
            document["Size"] = lastSize;
            document["NumBlocks"] = lastBlocks;
        }

        await request.JsonAsync(document);
    }

    public async Task ExportAsync(ApiRequest request)
    {
        await using var blocks = sources.Open(request);
        Cid root = await blocks.ResolveAsync(request.Arg(0, "root"), request.Aborted);
        await blocks.ReadAllAsync(root);
        await request.BytesAsync(
            "application/vnd.ipld.car", length: null, body => CarWriter.WriteAsync([root], blocks, body, request.Aborted));
    }

    /// <summary>
    /// Stores the blocks of CARs. Sends a line <c>{"Root":{"Cid":{"/":…},"PinErrorMsg":""}}</c> for each root to be pinned, then
    /// <c>{"Stats":…}</c> with the option <c>stats</c>.
    /// </summary>
    public async Task ImportAsync(ApiRequest request)
    {
        bool pin = request.Flag("pin-roots", true);
        bool silent = request.Flag("silent");
        MultipartReader parts = Multipart.Open(request);
        using GcLease gcLease = store.LeaseTouched();
        var roots = new List<Cid>();
        long count = 0, bytes = 0;
        bool any = false;
        while (await Multipart.NextAsync(parts, request.Aborted) is { } part)
        {
            CarImport import = await CarReader.ReadAsync(part.Body, store.Blocks, request.Aborted);
            roots.AddRange(import.Roots);
            count += import.Blocks;
            bytes += import.Bytes;
            any = true;
        }

        if (!any)
        {
            throw ApiException.Bad("the request has no CAR");
        }

        request.Lines();
        int failed = 0;
        foreach (Cid root in pin ? roots.Distinct() : [])
        {
            string problem = Pin(root, request.Aborted);
            failed += problem.Length > 0 ? 1 : 0;
            if (!silent)
            {
                await request.LineAsync(new JsonObject { ["Root"] = new JsonObject { ["Cid"] = Link(root), ["PinErrorMsg"] = problem } });
            }
        }

        if (failed > 0)
        {
            throw new ApiException($"unable to pin all roots: {failed} out of {roots.Count} failed");
        }

        if (request.Flag("stats"))
        {
            await request.LineAsync(new JsonObject { ["Stats"] = new JsonObject { ["BlockCount"] = count, ["BlockBytesCount"] = bytes } });
        }
    }

    /// <summary>A CID in JSON: https://ipld.io/specs/codecs/dag-json/spec/#links.</summary>
    private static JsonObject Link(Cid cid) => new() { ["/"] = cid.ToString() };

    private static async Task<Cid[]> RootsAsync(ApiRequest request, RequestBlocks blocks)
    {
        var roots = new Cid[Math.Max(1, request.Args())];
        for (int i = 0; i < roots.Length; i++)
        {
            roots[i] = await blocks.ResolveAsync(request.Arg(i, "ipfs-path"), request.Aborted);
        }

        return roots;
    }

    /// <summary>Pins a root whose blocks are all in the store. Returns why it was not pinned; empty when it was.</summary>
    private string Pin(Cid root, CancellationToken cancellationToken)
    {
        Cid missing;
        try
        {
            missing = DagVerify.Missing(store.Blocks, root, cancellationToken).FirstOrDefault();
        }
        catch (DagFormatException e)
        {
            return e.Message;
        }

        if (!missing.IsDefault)
        {
            return $"block {missing} is not here";
        }

        store.Pins.Put(new PinRecord(root, Recursive: true, ""));
        return "";
    }
}
