using System.Text.Json.Nodes;
using Ipcs.Blockstore;
using Ipcs.Dag;
using Ipcs.Dag.Import;
using Ipcs.Dag.Read;
using Ipcs.Multiformats;
using Ipcs.Node.Containerd;
using Ipcs.Node.Daemon;
using Ipcs.Oci;

namespace Ipcs.Node.ControlApi;

/// <summary><c>convert</c> and <c>pull</c>.</summary>
internal sealed class ImagesApi(NodeServices node)
{
    /// <summary>How long the fleet may take to show a first source: under the 120 s that the command promises.</summary>
    private static readonly TimeSpan FindTime = TimeSpan.FromSeconds(30);

    /// <summary>How often the fleet is asked again while nobody has it.</summary>
    private static readonly TimeSpan AskAgain = TimeSpan.FromSeconds(1);

    /// <summary>Manifests and configs are read whole; a larger one is none.</summary>
    private const int MaxDocument = 8 << 20;

    public async Task ConvertAsync(ApiRequest request)
    {
        string spec = request.Arg(0, "source");
        string? name = request.OptionalArg(1);
        string space = request.Option("namespace") ?? "default";
        using var containerd = new ContainerdClient(node.Options.Containerd);
        await using IImageSource source = ImageSource.Parse(spec, new ImageSourceOptions
        {
            PlainHttp = request.Flag("plain-http"),
            Containerd = reference => new ContainerdSource(containerd, space, reference),
        });
        using Hold hold = node.Store.Hold();
        var converter = new Converter(source, node.Store, ImportProfile.KuboV0) { Updates = node.Updates, AllPlatforms = request.Flag("all-platforms") };
        ConvertedImage image = await converter.ConvertAsync(request.Aborted);
        if (name is not null)
        {
            await new ContainerdImages(containerd, space).RegisterAsync(name, image.Converted, ReadDocumentAsync, request.Aborted);
        }

        await request.LineAsync(new JsonObject
        {
            ["name"] = name ?? spec,
            ["original"] = image.Original.ToString(),
            ["converted"] = image.Converted.Digest.ToString(),
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
        });
    }

    public async Task PullAsync(ApiRequest request)
    {
        (string name, Digest target) = ParseImage(request);
        string space = request.Option("namespace") ?? "default";
        using Hold hold = node.Store.Hold();
        ContentRecord record = await BringAsync(target, FindTime, request.Aborted, hold);
        byte[] document = await ReadDocumentAsync(target, request.Aborted);
        Descriptor descriptor = ImageGraph.TargetDescriptor(document, target, record.Size);
        IReadOnlyList<Descriptor> all = await ImageGraph.ExpandAsync(descriptor, ReadDocumentAsync, Platform.Host, request.Aborted);
        long bytes = 0;
        foreach (ContentRecord part in await Task.WhenAll(all.Select(d => BringAsync(d.Digest, FindTime, request.Aborted, hold))))
        {
            bytes += part.Size;
        }

        await request.LineAsync(new JsonObject { ["progress"] = $"{all.Count} contents, {bytes} bytes here" });
        using var containerd = new ContainerdClient(node.Options.Containerd);
        var images = new ContainerdImages(containerd, space);
        await images.RegisterAsync(name, descriptor, ReadDocumentAsync, request.Aborted);
        if (request.Flag("unpack"))
        {
            await request.LineAsync(new JsonObject { ["progress"] = "unpacking" });
            await images.UnpackAsync(descriptor, ReadDocumentAsync, request.Aborted);
        }

        await request.LineAsync(new JsonObject { ["name"] = name, ["digest"] = target.ToString(), ["size"] = bytes });
    }

    /// <summary><c>NAME@sha256:ROOT</c>, or <c>ipfs://CID</c> and a name.</summary>
    private static (string Name, Digest Target) ParseImage(ApiRequest request)
    {
        string image = request.Arg(0, "image");
        string? name = request.OptionalArg(1);
        if (image.StartsWith("ipfs://", StringComparison.Ordinal))
        {
            Cid cid = request.CidArg(0);
            return cid.Codec == Multicodec.DagPb && cid.Hash.Code == Multihash.Sha2_256
                ? (name ?? throw ApiException.Bad("ipfs://CID needs a NAME for the image"), new Digest(cid.Hash))
                : throw ApiException.Bad($"{cid} is not the root of a converted image");
        }

        int at = image.LastIndexOf('@');
        return at > 0 && Digest.TryParse(image[(at + 1)..], out Digest digest)
            ? (name ?? image[..at], digest)
            : throw ApiException.Bad($"'{image}' is not NAME@sha256:ROOT or ipfs://CID");
    }

    /// <summary>Makes a content whole here: from the index, or from the fleet, which is asked again until the time is up.</summary>
    private async Task<ContentRecord> BringAsync(Digest digest, TimeSpan findTime, CancellationToken cancellationToken, Hold? hold = null)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(findTime);
        ContentRecord? record = node.Store.Contents.Get(digest);
        if (record is not null && hold is not null)
        {
            // Nobody owns it until it is registered: looked for again once garbage collection knows of it.
            hold.Add(record.Root);
            record = node.Store.Contents.Get(digest);
        }

        while (record is null)
        {
            record = await node.Fleet.FindAsync(digest, cancellationToken);
            if (record is not null)
            {
                hold?.Add(record.Root);
                DateTimeOffset now = TimeProvider.System.GetUtcNow();
                ContentRecord found = record;
                record = node.Updates.Change(digest, there => there ?? found with { CreatedAt = now, UpdatedAt = now })!;
                break;
            }

            try
            {
                await Task.Delay(AskAgain, limit.Token);
            }
            catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
            {
                throw new ApiException($"{digest}: none of the {node.Host.Peers.Count} connected peers had it within {findTime.TotalSeconds} s");
            }
        }

        await node.Fleet.WaitAsync(digest, cancellationToken);
        return record;
    }

    /// <summary>Reads a whole manifest, index or config that is here.</summary>
    private async Task<byte[]> ReadDocumentAsync(Digest digest, CancellationToken cancellationToken)
    {
        ContentRecord record = await BringAsync(digest, FindTime, cancellationToken);
        if (record.Size > MaxDocument)
        {
            throw new ApiException($"{digest} has {record.Size} bytes: that is no manifest");
        }

        await using DagReader reader = await DagReader.OpenAsync(record.Root, new LocalBlockSource(node.Store.Blocks), 0, cancellationToken);
        byte[] bytes = new byte[record.Size];
        int n = await reader.ReadAsync(0, bytes, cancellationToken);
        return n == bytes.Length ? bytes : throw new DagFormatException($"{digest} ends early");
    }
}
