using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;
using Ipcs.Blockstore;
using Ipcs.Fleet;
using Ipcs.Libp2p;
using Ipcs.Multiformats;
using Ipcs.Oci;
using Ipcs.Oci.Containerd;
using IHost = Ipcs.Libp2p.IHost;

namespace Ipcs.ControlApi;

/// <summary>
/// <c>pull</c>: fetches an image from the fleet without a registry, registers it in containerd and unpacks it when asked to.
/// </summary>
internal sealed class PullApi(
    ControlApiOptions options, IHost host, IStore store, ContentCatalog catalog, ContentFetcher fetcher, TimeProvider time)
{
    /// <summary>
    /// How long a source of a content may be searched. The image's target, the manifest under an index and the layers are searched one
    /// after the other: three times this is less than the 120 s that the command promises.
    /// </summary>
    private static readonly TimeSpan SearchTimeout = TimeSpan.FromSeconds(30);

    /// <summary>How long to wait between two searches while no peer has the content.</summary>
    private static readonly TimeSpan RetryInterval = TimeSpan.FromSeconds(1);

    private readonly DocumentReader _documents = new(store);

    public async Task PullAsync(ApiRequest request)
    {
        (string name, Digest target) = ParseImage(request);
        using Activity? span = IpcsActivity.Source.StartActivity("pull");
        span?.SetTag("image", name);
        try
        {
            long size = await PullAsync(request, name, target);
            span?.SetTag("bytes", size);
            await request.LineAsync(new JsonObject { ["name"] = name, ["digest"] = target.ToString(), ["size"] = size });
        }
        catch (Exception e) when (span is not null)
        {
            span.SetStatus(ActivityStatusCode.Error, e.Message);
            throw;
        }
    }

    /// <summary>Pulls an image. Returns the size of its contents in bytes.</summary>
    private async Task<long> PullAsync(ApiRequest request, string name, Digest target)
    {
        string containerdNamespace = request.Option("namespace") ?? "default";
        string? snapshotter = request.Option("snapshotter");
        using var containerd = new ContainerdClient(options.Containerd, time);

        // Protects the contents from garbage collection until containerd owns them.
        using GcLease gcLease = store.LeaseTouched();

        // Opened before the work, so that an unreachable containerd is reported at once.
        await using ContainerdLease lease = await ContainerdLease.OpenAsync(containerd, containerdNamespace, request.Aborted);
        string step = "looking for sources";
        return await ProgressStream.RunAsync(request, time, () => $"{step}, {host.Peers.Count} peers", async () =>
        {
            Descriptor descriptor = await FetchTargetAsync(target, gcLease, request.Aborted);
            IReadOnlyList<Descriptor> all = await ImageGraph.ExpandAsync(descriptor, ReadDocumentAsync, Platform.Host, request.Aborted);
            var images = new ContainerdImages(containerd, containerdNamespace, lease);
            using var stop = CancellationTokenSource.CreateLinkedTokenSource(request.Aborted);
            Dictionary<Digest, PendingContent> pending = FetchAll(all, gcLease, text => step = text, stop);
            Task[] completions = [.. pending.Values.Select(content => content.Completed)];
            try
            {
                if (request.Flag("unpack"))
                {
                    // A layer whose blocks are checked one by one is unpacked while it is fetched, any other one while the next ones are.
                    await new ContainerdUnpack(containerd, images, lease, options.ApiSocket).UnpackAsync(
                        descriptor,
                        ReadDocumentAsync,
                        snapshotter,
                        content => PrepareAsync(content, pending, images, stop.Token),
                        stop.Token);
                }

                await Task.WhenAll(completions);
            }
            catch
            {
                await stop.CancelAsync();
                await Task.WhenAll(completions).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);

                // The fetch that failed is the cause; the others, and the unpacking, were stopped because of it.
                await (completions.FirstOrDefault(task => task.IsFaulted) ?? Task.CompletedTask);
                throw;
            }

            step = "registering";
            await images.RegisterAsync(
                name, descriptor, ReadDocumentAsync, Platform.Host, new Dictionary<string, string>(0), request.Aborted);
            return all.Sum(d => d.Size);
        });
    }

    /// <summary>The arguments <c>NAME@sha256:ROOT</c>, or <c>ipfs://CID</c> and a name.</summary>
    private static (string Name, Digest Target) ParseImage(ApiRequest request)
    {
        string image = request.Arg(0, "image");
        string? name = request.OptionalArg(1);
        if (image.StartsWith("ipfs://", StringComparison.Ordinal))
        {
            // The manifest of a converted image is a dag-pb root; that of an unmodified image is a raw block.
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

    private async Task<Descriptor> FetchTargetAsync(Digest target, GcLease gcLease, CancellationToken cancellationToken)
    {
        ContentRecord record = await FetchAsync(target, cancellationToken, gcLease);
        byte[] document = await _documents.ReadAsync(record, cancellationToken);
        Descriptor descriptor = ImageGraph.TargetDescriptor(document, target, record.Size);
        return descriptor.IsIndex || descriptor.IsManifest
            ? descriptor
            : throw new ImageSourceException($"{target} is a {descriptor.MediaType}, not an image");
    }

    /// <summary>Starts to fetch all contents of the image. When one fails, the others are cancelled.</summary>
    private Dictionary<Digest, PendingContent> FetchAll(
        IReadOnlyList<Descriptor> all, GcLease gcLease, Action<string> report, CancellationTokenSource stop)
    {
        long total = all.Sum(d => d.Size), fetched = 0;
        int done = 0;
        return all.DistinctBy(d => d.Digest).ToDictionary(d => d.Digest, d =>
        {
            Task<ContentRecord> found = FindOneAsync(d);
            return new PendingContent(found, CompleteOneAsync(d, found));
        });

        async Task<ContentRecord> FindOneAsync(Descriptor d)
        {
            ContentRecord record = await FindAsync(d.Digest, stop.Token, gcLease);
            return record.Size == d.Size
                ? record
                : throw new ImageSourceException($"{d.Digest} has {record.Size} bytes, but {d.Size} by its manifest");
        }

        async Task CompleteOneAsync(Descriptor d, Task found)
        {
            try
            {
                await found;
                await fetcher.WaitAsync(d.Digest, stop.Token);
            }
            catch
            {
                // Few large contents are fetched at a time: those in the queue would only delay the error.
                await stop.CancelAsync();
                throw;
            }

            string bytes = ByteSize.Format(Interlocked.Add(ref fetched, d.Size));
            int count = Interlocked.Increment(ref done);
            report(string.Create(CultureInfo.InvariantCulture, $"{count} of {all.Count} contents, {bytes} of {ByteSize.Format(total)}"));
        }
    }

    /// <summary>Makes a content readable for containerd, before it unpacks it.</summary>
    private async Task PrepareAsync(
        Descriptor content, Dictionary<Digest, PendingContent> pending, ContainerdImages images, CancellationToken cancellationToken)
    {
        if (pending.TryGetValue(content.Digest, out PendingContent fetch))
        {
            if ((await fetch.Found).Kind == ContentKind.Blob)
            {
                await fetch.Completed;
            }

            // As Info does for dag content: containerd owns it before it is complete, and deletes it with the lease when the pull fails.
            catalog.Change(content.Digest, record => record is { Owned: false } ? record with { Owned = true, Retained = false } : record);
        }

        await images.AdoptAsync(content, cancellationToken);
    }

    /// <summary>Finds a content and waits until it is complete.</summary>
    private async Task<ContentRecord> FetchAsync(Digest digest, CancellationToken cancellationToken, GcLease? gcLease = null)
    {
        ContentRecord record = await FindAsync(digest, cancellationToken, gcLease);
        await fetcher.WaitAsync(digest, cancellationToken);
        return record;
    }

    /// <summary>
    /// Finds a content in the index, or searches the fleet for it, again and again until the timeout. A content found in the fleet is added
    /// to the index.
    /// </summary>
    private async Task<ContentRecord> FindAsync(Digest digest, CancellationToken cancellationToken, GcLease? gcLease = null)
    {
        using var deadline = new Deadline(time, SearchTimeout, cancellationToken);
        ContentRecord? record = store.Contents.Get(digest);
        if (record is not null && gcLease is not null)
        {
            // A content without an owner may have been collected before the lease had its root.
            gcLease.Add(record.Root);
            record = store.Contents.Get(digest);
        }

        if (record is { Retained: true })
        {
            // containerd has deleted it, and is to find it again.
            record = catalog.Change(digest, there => there is { Retained: true } ? there with { Retained = false } : there);
        }

        while (record is null)
        {
            try
            {
                if (await fetcher.SearchAsync(digest, deadline.Token) is { } found)
                {
                    gcLease?.Add(found.Root);
                    DateTimeOffset now = time.GetUtcNow();
                    record = catalog.Change(digest, there => there ?? found with { CreatedAt = now, UpdatedAt = now })!;
                    break;
                }

                await Task.Delay(RetryInterval, time, deadline.Token);
            }
            catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
            {
                int peers = host.Peers.Count;
                throw new ApiException($"{digest}: none of the {peers} connected peers had it within {SearchTimeout.TotalSeconds} s");
            }
        }

        return record;
    }

    private async Task<byte[]> ReadDocumentAsync(Digest digest, CancellationToken cancellationToken) =>
        await _documents.ReadAsync(await FetchAsync(digest, cancellationToken), cancellationToken);

    /// <summary>A content that is being fetched.</summary>
    /// <param name="Found">Completes when the content is in the index.</param>
    /// <param name="Completed">Completes when all of it is in the store and checked.</param>
    private readonly record struct PendingContent(Task<ContentRecord> Found, Task Completed);
}
