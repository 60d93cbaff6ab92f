using System.Text.Json.Nodes;
using Ipcs.Blockstore;
using Ipcs.Dag.Import;
using Ipcs.Oci;
using Ipcs.Oci.Containerd;
using Ipcs.Oci.Conversion;

namespace Ipcs.ControlApi;

/// <summary><c>convert</c>. Pins, content records and the image in containerd are made after the whole image was converted.</summary>
internal sealed class ConvertApi(ControlApiOptions options, IStore store, ContentCatalog catalog, TimeProvider time)
{
    public async Task ConvertAsync(ApiRequest request)
    {
        string spec = request.Arg(0, "source");
        string? name = request.OptionalArg(1);
        bool all = request.Flag("all-platforms");
        ImportProfile profile = WithChunker(ParseProfile(request.Option("profile")), request.Option("chunker"));
        using SourceOpener opener = await SourceOpener.CreateAsync(options.Containerd, store, request, time);

        using GcLease gcLease = store.LeaseTouched();

        // Opened before the work, so that an unreachable containerd is reported at once.
        await using ContainerdLease? lease = name is null
            ? null
            : await ContainerdLease.OpenAsync(opener.Containerd, Namespace(request), request.Aborted);
        await using IImageSource source = await opener.OpenAsync(spec, request.Aborted);
        var converter = new Converter(source, _ => store.Blocks, profile)
        {
            AllPlatforms = all,
            MaxLayerLength = MaxLayerLength(request),
            Memory = new StoreMemory(store),
        };
        var rate = new TransferRate(time);
        ConvertedImage image = await ProgressStream.RunAsync(request, time, () => rate.Describe(converter.Progress), async () =>
        {
            ConvertedImage converted = await converter.ConvertAsync(request.Aborted);
            ConvertedStore.Record(store, catalog, converted, name ?? spec, profile, time.GetUtcNow());
            if (lease is not null)
            {
                await new ContainerdImages(opener.Containerd, Namespace(request), lease).RegisterAsync(
                    name!, converted.Target, new DocumentReader(store).ReadLocalAsync, all ? null : Platform.Host,
                    opener.FromContainerd?.Labels ?? new Dictionary<string, string>(0), request.Aborted);
            }

            return converted;
        });
        await request.LineAsync(ToJson(image, name ?? spec));
    }

    /// <summary>The profile with a value of the option <c>chunker</c>.</summary>
    internal static ImportProfile WithChunker(ImportProfile profile, string? chunker)
    {
        try
        {
            return ConvertProfiles.WithChunker(profile, chunker);
        }
        catch (FormatException e)
        {
            throw ApiException.Bad(e.Message);
        }
    }

    /// <summary>The option <c>max-layer-size</c>: how many bytes one compressed layer may unpack to.</summary>
    internal static long MaxLayerLength(ApiRequest request) => request.Number("max-layer-size") ?? Converter.DefaultMaxLayerLength;

    private ImportProfile ParseProfile(string? name) =>
        name is null ? options.Profile
        : ImportProfile.TryParse(name, out ImportProfile? profile) ? profile
        : throw ApiException.Bad($"profile '{name}': not kubo-v1 or kubo-v0");

    private static string Namespace(ApiRequest request) => request.Option("namespace") ?? "default";

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
