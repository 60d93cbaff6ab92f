using System.Globalization;
using System.Text.Json.Nodes;
using Ipcs.Blockstore;
using Ipcs.Fleet;
using Ipcs.Multiformats;
using Ipcs.Oci;
using Ipcs.Oci.Containerd;
using IHost = Ipcs.Libp2p.IHost;

namespace Ipcs.ControlApi;

/// <summary><c>pull</c>: an image comes from the fleet alone, is registered in containerd and, if asked for, unpacked.</summary>
internal sealed class ImagesApi(ControlApiOptions options, IHost host, IStore store, ContentCatalog catalog, ContentFetcher fetcher, TimeProvider time)
{
    /// <summary>
    /// How long the fleet may take to show a source. The target, the manifest under an index and the layers are looked for one after the other:
    /// three times this is under the 120 s that the command promises.
    /// </summary>
    private static readonly TimeSpan FindTime = TimeSpan.FromSeconds(30);

    /// <summary>How often the fleet is asked again while nobody has it.</summary>
    private static readonly TimeSpan AskAgain = TimeSpan.FromSeconds(1);

    private readonly ContentDocuments _documents = new(store);

    public async Task PullAsync(ApiRequest request)
    {
        (string name, Digest target) = ParseImage(request);
        string space = request.Option("namespace") ?? "default";
        string? snapshotter = request.Option("snapshotter");
        using var containerd = new ContainerdClient(options.Containerd);

        // Until containerd owns them, nobody but this hold keeps the contents from a garbage collection.
        using GcLease hold = store.LeaseTouched();

        // First of all: containerd must be there to take the image.
        await using ContainerdLease lease = await ContainerdLease.OpenAsync(containerd, space, request.Aborted);
        string step = "looking for sources";
        long size = await ProgressStream.RunAsync(request, () => $"{step}, {host.Peers.Count} peers", async () =>
        {
            Descriptor descriptor = await FindTargetAsync(target, hold, request.Aborted);
            IReadOnlyList<Descriptor> all = await ImageGraph.ExpandAsync(descriptor, ReadDocumentAsync, Platform.Host, request.Aborted);
            var images = new ContainerdImages(containerd, space, lease);
            using var stop = CancellationTokenSource.CreateLinkedTokenSource(request.Aborted);
            Dictionary<Digest, Coming> coming = BringAll(all, hold, text => step = text, stop);
            Task[] whole = [.. coming.Values.Select(c => c.Whole)];
            try
            {
                if (request.Flag("unpack"))
                {
                    // A layer is unpacked while it comes, where every block is checked by itself, and else while the next ones come.
                    await new ContainerdUnpack(containerd, images, lease, options.ApiSocket).UnpackAsync(descriptor, ReadDocumentAsync, snapshotter, MakeReadyAsync, stop.Token);
                }

                await Task.WhenAll(whole);
            }
            catch
            {
                await stop.CancelAsync();
                await Task.WhenAll(whole).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);

                // What failed first has stopped the others.
                await (whole.FirstOrDefault(t => t.IsFaulted) ?? Task.CompletedTask);
                throw;
            }

            step = "registering";
            await images.RegisterAsync(name, descriptor, ReadDocumentAsync, Platform.Host, new Dictionary<string, string>(0), request.Aborted);
            return all.Sum(d => d.Size);

            async Task MakeReadyAsync(Descriptor content)
            {
                if (coming.TryGetValue(content.Digest, out Coming of))
                {
                    if ((await of.Found).Kind == ContentKind.Blob)
                    {
                        await of.Whole;
                    }

                    // What is on its way is promised to containerd here, as Info does it: should the pull end, containerd deletes it with the lease.
                    catalog.Change(content.Digest, record => record is { Owned: false } ? record with { Owned = true } : record);
                }

                await images.AdoptAsync(content, stop.Token);
            }
        });
        await request.LineAsync(new JsonObject { ["name"] = name, ["digest"] = target.ToString(), ["size"] = size });
    }

    /// <summary><c>NAME@sha256:ROOT</c>, or <c>ipfs://CID</c> and a name.</summary>
    private static (string Name, Digest Target) ParseImage(ApiRequest request)
    {
        string image = request.Arg(0, "image");
        string? name = request.OptionalArg(1);
        if (image.StartsWith("ipfs://", StringComparison.Ordinal))
        {
            // A converted image's manifest is a dag-pb root; a raw block is the manifest of an unmodified image itself.
            Cid cid = request.CidArg(0);
            return cid.Codec is Multicodec.DagPb or Multicodec.Raw && cid.Hash.Code == Multihash.Sha2_256
                ? (name ?? throw ApiException.Bad("ipfs://CID needs a NAME for the image"), new Digest(cid.Hash))
                : throw ApiException.Bad($"{cid} is not the root of an image's manifest");
        }

        int at = image.LastIndexOf('@');
        return at > 0 && Digest.TryParse(image[(at + 1)..], out Digest digest)
            ? (name ?? image[..at], digest)
            : throw ApiException.Bad($"'{image}' is not NAME@sha256:ROOT or ipfs://CID");
    }

    private async Task<Descriptor> FindTargetAsync(Digest target, GcLease hold, CancellationToken cancellationToken)
    {
        ContentRecord record = await BringAsync(target, cancellationToken, hold);
        byte[] document = await _documents.ReadAsync(record, cancellationToken);
        Descriptor descriptor = ImageGraph.TargetDescriptor(document, target, record.Size);
        return descriptor.IsIndex || descriptor.IsManifest ? descriptor : throw new ImageSourceException($"{target} is a {descriptor.MediaType}, no image");
    }

    /// <summary>Makes all contents of the image whole here: the work of each, by its digest. When one fails, the others are stopped.</summary>
    private Dictionary<Digest, Coming> BringAll(IReadOnlyList<Descriptor> all, GcLease hold, Action<string> step, CancellationTokenSource stop)
    {
        long total = all.Sum(d => d.Size), here = 0;
        int done = 0;
        return all.DistinctBy(d => d.Digest).ToDictionary(d => d.Digest, d =>
        {
            Task<ContentRecord> found = FindOneAsync(d);
            return new Coming(found, BringOneAsync(d, found));
        });

        async Task<ContentRecord> FindOneAsync(Descriptor d)
        {
            ContentRecord record = await FindAsync(d.Digest, stop.Token, hold);
            return record.Size == d.Size ? record : throw new ImageSourceException($"{d.Digest} has {record.Size} bytes, the manifest says {d.Size}");
        }

        async Task BringOneAsync(Descriptor d, Task found)
        {
            try
            {
                await found;
                await fetcher.WaitAsync(d.Digest, stop.Token);
            }
            catch
            {
                // Large ones are fetched a few at a time: the others would be waited for in vain, one after the other.
                await stop.CancelAsync();
                throw;
            }

            long bytes = Interlocked.Add(ref here, d.Size);
            step(string.Create(CultureInfo.InvariantCulture, $"{Interlocked.Increment(ref done)} of {all.Count} contents, {ByteSize.Format(bytes)} of {ByteSize.Format(total)}"));
        }
    }

    /// <summary>Makes a content whole here.</summary>
    private async Task<ContentRecord> BringAsync(Digest digest, CancellationToken cancellationToken, GcLease? hold = null)
    {
        ContentRecord record = await FindAsync(digest, cancellationToken, hold);
        await fetcher.WaitAsync(digest, cancellationToken);
        return record;
    }

    /// <summary>Finds a content in the index, or in the fleet, which is asked again until the time is up: then it is in the index too.</summary>
    private async Task<ContentRecord> FindAsync(Digest digest, CancellationToken cancellationToken, GcLease? hold = null)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(FindTime);
        ContentRecord? record = store.Contents.Get(digest);
        if (record is not null && hold is not null)
        {
            // Nobody owns it until it is registered: looked for again once garbage collection knows of it.
            hold.Add(record.Root);
            record = store.Contents.Get(digest);
        }

        while (record is null)
        {
            try
            {
                if (await fetcher.SearchAsync(digest, limit.Token) is { } found)
                {
                    hold?.Add(found.Root);
                    DateTimeOffset now = time.GetUtcNow();
                    record = catalog.Change(digest, there => there ?? found with { CreatedAt = now, UpdatedAt = now })!;
                    break;
                }

                await Task.Delay(AskAgain, limit.Token);
            }
            catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
            {
                throw new ApiException($"{digest}: none of the {host.Peers.Count} connected peers had it within {FindTime.TotalSeconds} s");
            }
        }

        return record;
    }

    private async Task<byte[]> ReadDocumentAsync(Digest digest, CancellationToken cancellationToken) =>
        await _documents.ReadAsync(await BringAsync(digest, cancellationToken), cancellationToken);

    /// <summary>A content on its way.</summary>
    /// <param name="Found">Done when it is in the index.</param>
    /// <param name="Whole">Done when all of it is here and checked.</param>
    private readonly record struct Coming(Task<ContentRecord> Found, Task Whole);
}
