using System.Text.Json.Nodes;
using Ipcs.Blockstore;
using Ipcs.Dag.Import;
using Ipcs.Oci;
using Ipcs.Oci.Containerd;

namespace Ipcs.ControlApi;

/// <summary><c>convert</c>: nothing is named by a pin, a record or containerd before the whole image is here.</summary>
internal sealed class ConvertApi(string containerdAddress, IStore store, ContentCatalog catalog, TimeProvider time)
{
    public async Task ConvertAsync(ApiRequest request)
    {
        string spec = request.Arg(0, "source");
        string? name = request.OptionalArg(1);
        bool all = request.Flag("all-platforms");
        ImportProfile profile = ParseChunker(request.Option("chunker"));
        using SourceOpener opener = await SourceOpener.OfAsync(containerdAddress, store, request);

        using GcLease hold = store.LeaseTouched();

        // First of all: containerd must be there to take the image.
        await using ContainerdLease? lease = name is null ? null : await ContainerdLease.OpenAsync(opener.Containerd, Space(request), request.Aborted);
        await using IImageSource source = await opener.OpenAsync(spec, request.Aborted);
        var converter = new Converter(source, _ => store.Blocks, profile) { AllPlatforms = all, Memory = new StoreMemory(store) };
        var rate = new Rate(time);
        ConvertedImage image = await ProgressStream.RunAsync(request, () => rate.Describe(converter.Progress), async () =>
        {
            ConvertedImage converted = await converter.ConvertAsync(request.Aborted);
            ConvertedStore.Record(store, catalog, converted, name ?? spec, profile);
            if (lease is not null)
            {
                await new ContainerdImages(opener.Containerd, Space(request), lease).RegisterAsync(
                    name!, converted.Target, new ContentDocuments(store).ReadHereAsync, all ? null : Platform.Host,
                    opener.FromContainerd?.Labels ?? new Dictionary<string, string>(0), request.Aborted);
            }

            return converted;
        });
        await request.LineAsync(ToJson(image, name ?? spec));
    }

    /// <summary>The profile of the option <c>chunker</c>.</summary>
    internal static ImportProfile ParseChunker(string? chunker)
    {
        try
        {
            return ConvertChunkers.Parse(chunker);
        }
        catch (FormatException e)
        {
            throw ApiException.Bad(e.Message);
        }
    }

    private static string Space(ApiRequest request) => request.Option("namespace") ?? "default";

    private static JsonObject ToJson(ConvertedImage image, string name) => new()
    {
        ["name"] = name,
        ["original"] = image.Original.ToString(),
        ["converted"] = image.Target.Digest.ToString(),
        ["root"] = image.Root.ToString(),
        ["descriptors"] = new JsonArray([.. image.Descriptors.Select(d => (JsonNode)new JsonObject
        {
            ["mediaType"] = d.MediaType,
            ["original"] = d.Original.ToString(),
            ["converted"] = d.Converted.ToString(),
            ["size"] = d.Size,
            ["root"] = d.Root.ToString(),
            ["blocks"] = d.Blocks,
        })]),
    };
}
