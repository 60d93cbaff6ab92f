using System.Text.Json.Nodes;
using Ipcs.Blockstore;
using Ipcs.Fleet;
using Ipcs.Multiformats;
using Ipcs.Oci.Containerd;

namespace Ipcs.ControlApi;

/// <summary>
/// <c>containerd check</c>: compares what containerd records with what is here. Sends a document for each warning about containerd's
/// configuration, for each content that the two do not agree about, and a summary; an error when they do not agree in the end.
/// </summary>
internal sealed class ContainerdCheckApi(
    ControlApiOptions options, IStore store, ContentCatalog catalog, ContentFetcher fetcher, TimeProvider time)
{
    public async Task CheckAsync(ApiRequest request)
    {
        using var client = new ContainerdClient(options.Containerd, time);
        var check = new ContainerdCheck(
            new ContainerdRecords(client), store, catalog, fetcher.SearchAsync, fetcher.WaitAsync, time);
        await ReportAsync(request, check, time);
    }

    /// <summary>Runs a check and sends its result.</summary>
    internal static async Task ReportAsync(ApiRequest request, ContainerdCheck check, TimeProvider time)
    {
        bool fix = request.Flag("fix");
        foreach (string warning in ContainerdSettings.Warnings(request.Option("config") ?? ContainerdSettings.DefaultFile))
        {
            await request.LineAsync(new JsonObject { ["warning"] = warning });
        }

        (Recorded recorded, IReadOnlyList<ContentDifference> differences) = await ProgressStream.RunAsync(
            request,
            time,
            () => check.Progress,
            async () =>
            {
                (Recorded all, IReadOnlyList<ContentDifference> found) = await check.FindAsync(request.Aborted);
                return (all, fix ? await check.FixAsync(found, request.Aborted) : found);
            });
        IReadOnlyDictionary<(string Space, Digest Digest), List<string>> images = recorded.ImagesByContent();
        foreach (JsonObject document in differences.SelectMany(difference => difference.Documents(images)))
        {
            await request.LineAsync(document);
        }

        int left = differences.Count(difference => difference.Fix is null);
        await request.LineAsync(new JsonObject
        {
            ["contents"] = recorded.Contents.Count,
            ["namespaces"] = recorded.Spaces,
            ["differences"] = differences.Count,
            ["left"] = left,
            ["pull"] = Pulls(differences, images),
        });
        if (left > 0)
        {
            throw new ApiException(fix
                ? $"containerd and ipcs still differ in {left} contents"
                : $"containerd and ipcs differ in {left} contents: run `ipcs containerd check --fix`");
        }
    }

    /// <summary>The images that have to be pulled again, since records were dropped that they reach.</summary>
    private static JsonArray Pulls(
        IReadOnlyList<ContentDifference> differences, IReadOnlyDictionary<(string Space, Digest Digest), List<string>> images)
    {
        IEnumerable<(string Space, string Image)> pulls = differences
            .Where(difference => difference.Fix == "dropped")
            .SelectMany(difference => difference.Records)
            .SelectMany(record => images.GetValueOrDefault((record.Space, record.Digest), []).Select(image => (record.Space, image)))
            .Distinct()
            .Order();
        return [.. pulls.Select(pull => (JsonNode)new JsonObject { ["namespace"] = pull.Space, ["image"] = pull.Image })];
    }
}
