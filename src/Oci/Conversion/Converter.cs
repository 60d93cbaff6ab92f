using System.Collections.Concurrent;
using System.Diagnostics;
using System.Text.Json.Nodes;
using Ipcs.Blockstore;
using Ipcs.Dag.Import;
using Ipcs.Multiformats;

namespace Ipcs.Oci.Conversion;

/// <summary>
/// Converts one image into an image whose descriptors have the digests of DAG roots: config, layers, and the manifests under an index.
/// Bytes stream from the source into DAGs, several layers at once. Adds no pins and no content records: see <see cref="ConvertedStore"/>.
/// </summary>
/// <param name="source">The image.</param>
/// <param name="storeFor">Returns the store for the blocks of a content, by its original digest.</param>
/// <param name="profile">The profile of the DAGs.</param>
public sealed class Converter(IImageSource source, Func<Digest, IBlockstore> storeFor, ImportProfile profile)
{
    /// <summary>The default of <see cref="MaxLayerLength"/>: 64 GiB, more than the layers of any image that is pulled by a fleet.</summary>
    public const long DefaultMaxLayerLength = 64L << 30;

    /// <summary>The layers read at once: one waits for data while another is hashed.</summary>
    private const int AtOnce = 3;

    /// <summary>
    /// BuildKit's annotation of an attestation, with the digest of the manifest that it attests:
    /// https://docs.docker.com/build/metadata/attestations/attestation-storage/.
    /// </summary>
    private const string AttestedDigest = "vnd.docker.reference.digest";

    private readonly ConcurrentDictionary<Digest, ConvertedDescriptor> _done = new();
    private readonly List<ConvertedDescriptor> _order = [];
    private int _descriptors;
    private Digest _target;

    /// <summary>
    /// True: all platforms of an index are converted; false: only that of this host, and the index keeps the other descriptors unchanged.
    /// </summary>
    public bool AllPlatforms { get; init; }

    /// <summary>How many bytes one compressed layer may unpack to. Against layers that are made to fill disks.</summary>
    public long MaxLayerLength { get; init; } = DefaultMaxLayerLength;

    /// <summary>The DAGs of earlier conversions; null for none.</summary>
    public IConversionMemory? Memory { get; init; }

    /// <summary>The progress.</summary>
    public ConversionProgress Progress { get; } = new();

    /// <summary>Converts the image.</summary>
    /// <exception cref="ImageSourceException">A content is missing or invalid, or the image is over a bound.</exception>
    public async Task<ConvertedImage> ConvertAsync(CancellationToken cancellationToken)
    {
        Descriptor target = await source.ResolveAsync(cancellationToken);
        if (!target.IsIndex && !target.IsManifest)
        {
            throw new ImageSourceException($"{target.Digest} has the media type {target.MediaType}, which is no manifest or index");
        }

        _target = target.Digest;
        ConvertedDescriptor root = await ConvertDocumentAsync(target, 0, cancellationToken);
        return new ConvertedImage(target.Digest, new Descriptor(target.MediaType, root.Converted, root.Size), root.Root, _order);
    }

    private async Task<ConvertedDescriptor> ConvertDocumentAsync(Descriptor descriptor, int depth, CancellationToken cancellationToken)
    {
        if (_done.TryGetValue(descriptor.Digest, out ConvertedDescriptor? known))
        {
            return known;
        }

        if (depth > ImageGraph.MaxDepth)
        {
            throw ImageGraph.TooLarge(_target);
        }

        byte[] bytes = await source.ReadDocumentAsync(descriptor, cancellationToken);
        JsonObject document = ImageGraph.ParseDocument(bytes, descriptor.Digest);
        bool changed = document["manifests"] is JsonArray manifests
            ? await ConvertIndexAsync(descriptor, manifests, depth, cancellationToken)
            : await ConvertPartsAsync(document, cancellationToken);
        if (changed)
        {
            bytes = ImageGraph.Serialize(document);
        }

        DagRoot root = await DagImport.FromStreamAsync(
            new MemoryStream(bytes), storeFor(descriptor.Digest), profile, alsoHash: null, cancellationToken);
        return Add(descriptor.MediaType, descriptor, root);
    }

    /// <summary>Converts what an index names, and the index. Returns false when all digests stay as they are.</summary>
    private async Task<bool> ConvertIndexAsync(Descriptor index, JsonArray manifests, int depth, CancellationToken cancellationToken)
    {
        Count(manifests.Count);
        Descriptor[] all = [.. manifests.Select(Descriptor.Parse)];
        IReadOnlyList<Descriptor> wanted = Platform.Choose(all, AllPlatforms ? null : Platform.Host);
        if (wanted.Count == 0 && all.Length > 0)
        {
            throw new ImageSourceException(
                $"the index {index.Digest} has no manifest for {Platform.Host}: --all-platforms converts every one");
        }

        foreach (Descriptor child in wanted)
        {
            if (child.IsIndex || child.IsManifest)
            {
                await ConvertDocumentAsync(child, depth + 1, cancellationToken);
            }
            else
            {
                await ConvertBlobAsync(child, cancellationToken);
            }
        }

        bool changed = false;
        for (int i = 0; i < all.Length; i++)
        {
            if (wanted.Contains(all[i]))
            {
                changed |= Replace(manifests[i]!, all[i]);
            }

            // An attestation has to name the converted manifest.
            if (manifests[i]!["annotations"] is JsonObject annotations
                && annotations[AttestedDigest] is JsonValue value && value.TryGetValue(out string? text)
                && Digest.TryParse(text, out Digest attested) && _done.TryGetValue(attested, out ConvertedDescriptor? converted)
                && converted.Converted != attested)
            {
                annotations[AttestedDigest] = converted.Converted.ToString();
                changed = true;
            }
        }

        return changed;
    }

    /// <summary>Converts the config and the layers of a manifest, and the manifest. Returns false when all digests stay.</summary>
    private async Task<bool> ConvertPartsAsync(JsonObject manifest, CancellationToken cancellationToken)
    {
        (JsonNode Node, Descriptor Descriptor)[] parts =
        [
            .. ImageGraph.Parts(manifest)
                .Select(p => (Node: p!, Descriptor: Descriptor.Parse(p)))
                .Where(p => !MediaTypes.IsForeign(p.Descriptor.MediaType)),
        ];
        Count(parts.Length);
        Descriptor[] distinct = [.. parts.Select(p => p.Descriptor).DistinctBy(d => d.Digest)];
        foreach (Descriptor part in distinct)
        {
            Progress.Expect(part.Size);
        }

        // The first failure cancels the others.
        await Parallel.ForEachAsync(
            distinct,
            new ParallelOptions { MaxDegreeOfParallelism = AtOnce, CancellationToken = cancellationToken },
            async (part, stop) => await ConvertBlobAsync(part, stop));
        bool changed = false;
        foreach ((JsonNode node, Descriptor descriptor) in parts)
        {
            changed |= Replace(node, descriptor);
        }

        return changed;
    }

    private async Task ConvertBlobAsync(Descriptor descriptor, CancellationToken cancellationToken)
    {
        if (_done.ContainsKey(descriptor.Digest))
        {
            Progress.Advance(descriptor.Size);
            return;
        }

        string? unpacked = ConvertProfiles.Unpacks(profile) ? LayerUnpacking.UnpackedType(descriptor.MediaType) : null;
        if (Memory?.Recall(descriptor.Digest, profile) is { } known && (known.Size == descriptor.Size || unpacked is not null))
        {
            Progress.Advance(descriptor.Size);
            Add(unpacked ?? descriptor.MediaType, descriptor, known);
            return;
        }

        DagRoot root;
        await using (Stream stream = Progress.CountReads(await source.OpenAsync(descriptor, cancellationToken)))
        {
            await using Stream bytes = unpacked is null ? stream : LayerUnpacking.Open(stream, descriptor, MaxLayerLength);
            root = await DagImport.FromStreamAsync(bytes, storeFor(descriptor.Digest), profile, alsoHash: null, cancellationToken);
            await LayerUnpacking.EndAsync(stream, cancellationToken);
        }

        Memory?.Remember(descriptor.Digest, profile, root);
        Add(unpacked ?? descriptor.MediaType, descriptor, root);
    }

    private ConvertedDescriptor Add(string mediaType, Descriptor descriptor, in DagRoot root)
    {
        var converted = new ConvertedDescriptor(
            mediaType, descriptor.Digest, new Digest(root.Root.Hash), root.Size, root.Root, root.Blocks);
        lock (_order)
        {
            if (_done.TryAdd(converted.Original, converted))
            {
                _order.Add(converted);
            }
        }

        return converted;
    }

    private void Count(int more)
    {
        _descriptors += more;
        if (_descriptors > ImageGraph.MaxDescriptors)
        {
            throw ImageGraph.TooLarge(_target);
        }
    }

    /// <summary>
    /// Replaces the digest of a descriptor by that of the root. Embedded data and URLs are removed, since they belong to the original
    /// bytes. Returns false, and changes nothing, when the digest is that of the root.
    /// </summary>
    private bool Replace(JsonNode node, Descriptor descriptor)
    {
        Debug.Assert(_done.ContainsKey(descriptor.Digest), "children are converted before their parent is rewritten");
        ConvertedDescriptor converted = _done[descriptor.Digest];
        if (converted.Converted == descriptor.Digest)
        {
            Debug.Assert(converted.Size == descriptor.Size, "the length was verified with the bytes");
            return false;
        }

        JsonObject o = node.AsObject();
        o["mediaType"] = converted.MediaType;
        o["digest"] = converted.Converted.ToString();
        o["size"] = converted.Size;
        o.Remove("data");
        o.Remove("urls");
        return true;
    }
}
