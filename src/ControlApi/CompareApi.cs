using System.Text.Json.Nodes;
using Ipcs.Blockstore;
using Ipcs.Dag.Import;
using Ipcs.Oci;
using Ipcs.Oci.Compare;
using Ipcs.Oci.Conversion;

namespace Ipcs.ControlApi;

/// <summary><c>compare</c>: counts the blocks that images share, for one or several chunkers.</summary>
internal sealed class CompareApi(ControlApiOptions options, IStore store, TimeProvider time)
{
    /// <summary>The most chunkers in one request. Each reads all images again.</summary>
    private const int MaxChunkers = 16;

    public async Task CompareAsync(ApiRequest request)
    {
        string[] images = Values(request, "arg");
        if (images.Length < 2)
        {
            throw ApiException.Bad("compare takes two or more images");
        }

        string[] chunkers = Values(request, "chunker") is { Length: > 0 } given ? given : [ConvertProfiles.DefaultChunker];
        ImportProfile[] profiles = chunkers.Length <= MaxChunkers
            ? [.. chunkers.Select(c => ConvertApi.WithChunker(options.Profile, c))]
            : throw ApiException.Bad($"{chunkers.Length} chunkers are more than {MaxChunkers}");
        bool all = request.Flag("all-platforms");
        long maxLayerLength = ConvertApi.MaxLayerLength(request);
        using SourceOpener opener = await SourceOpener.CreateAsync(options.Containerd, store, request, time);
        var sources = new List<IImageSource>();
        try
        {
            foreach (string image in images)
            {
                sources.Add(await opener.OpenAsync(image, request.Aborted));
            }

            await request.LineAsync(await CompareAsync(request, images, chunkers, profiles, sources, all, maxLayerLength));
        }
        finally
        {
            foreach (IImageSource source in sources)
            {
                await source.DisposeAsync();
            }
        }
    }

    private async Task<JsonObject> CompareAsync(
        ApiRequest request,
        string[] images,
        string[] chunkers,
        ImportProfile[] profiles,
        IReadOnlyList<IImageSource> sources,
        bool all,
        long maxLayerLength)
    {
        var comparisons = new JsonArray();
        for (int i = 0; i < profiles.Length; i++)
        {
            string image = "";
            ConversionProgress? progress = null;
            var rate = new TransferRate(time);
            ImportProfile profile = profiles[i];
            string chunker = chunkers[i];
            Comparison comparison = await ProgressStream.RunAsync(
                request,
                time,
                () => progress is null ? null : $"{chunker}: {image}: {rate.Describe(progress)}",
                () => Comparison.MakeAsync(
                    sources,
                    profile,
                    all,
                    maxLayerLength,
                    (n, p) => (image, progress, rate) = (images[n], p, new TransferRate(time)),
                    request.Aborted));
            comparisons.Add((JsonNode)new JsonObject { ["chunker"] = chunker, ["buckets"] = Buckets(comparison, images) });
        }

        return new JsonObject
        {
            ["images"] = new JsonArray([.. images.Select(i => (JsonNode)i)]),
            ["chunker"] = chunkers[0],
            ["buckets"] = comparisons[0]!["buckets"]!.DeepClone(),
            ["comparisons"] = comparisons,
        };
    }

    private static JsonArray Buckets(Comparison comparison, string[] images) => new(
    [
        .. comparison.Buckets.Select(b => (JsonNode)new JsonObject
        {
            ["images"] = new JsonArray([.. b.Images.Select(i => (JsonNode)images[i])]),
            ["blocks"] = b.Blocks,
            ["bytes"] = b.Bytes,
        }),
    ]);

    private static string[] Values(ApiRequest request, string name) =>
        [.. request.Context.Request.Query[name].Select(v => v ?? "").Where(v => v.Length > 0)];
}
