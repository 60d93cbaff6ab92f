using System.Text;
using System.Text.Json.Nodes;
using Ipcs.Blockstore;
using Ipcs.Dag.Import;
using Ipcs.Multiformats;
using Ipcs.Oci.Sources;

namespace Ipcs.Oci;

/// <summary>One line of a conversion.</summary>
/// <param name="MediaType">What it is.</param>
/// <param name="Original">The digest of its bytes.</param>
/// <param name="Converted">The digest that names its DAG's root.</param>
/// <param name="Size">Its bytes.</param>
/// <param name="Root">The root.</param>
/// <param name="Blocks">Blocks of the DAG.</param>
public sealed record ConvertedDescriptor(string MediaType, Digest Original, Digest Converted, long Size, Cid Root, long Blocks);

/// <summary>A converted image.</summary>
/// <param name="Original">The digest of the original manifest or index.</param>
/// <param name="Converted">The converted one.</param>
/// <param name="Root">The root of its DAG.</param>
/// <param name="Descriptors">All that was converted, children first.</param>
public sealed record ConvertedImage(Digest Original, Descriptor Converted, Cid Root, IReadOnlyList<ConvertedDescriptor> Descriptors);

/// <summary>
/// Makes, of each manifest, one whose descriptors name the roots of their contents: the sha256 of a root block is the digest, so that the
/// digest is all that is needed to fetch it. Sizes, media types, annotations and all other fields stay as they are. Every root is pinned.
/// </summary>
public sealed class Converter(IImageSource source, IStore store, ImportProfile profile)
{
    /// <summary>Layers imported at once: one is read while the other is hashed.</summary>
    private const int AtOnce = 2;

    private readonly List<ConvertedDescriptor> _done = [];
    private readonly Lock _lock = new();
    private readonly SemaphoreSlim _turns = new(AtOnce);

    /// <summary>True to convert every platform of an index, not only this host's.</summary>
    public bool AllPlatforms { get; init; }

    /// <summary>Who else changes records of the same store.</summary>
    public ContentUpdates Updates { get; init; } = new(store);

    /// <summary>Converts the image.</summary>
    public async Task<ConvertedImage> ConvertAsync(CancellationToken cancellationToken)
    {
        Descriptor target = await source.ResolveAsync(cancellationToken);
        if (!target.IsIndex && !target.IsManifest)
        {
            throw new ImageSourceException($"{target.Digest} is a {target.MediaType}, no image");
        }

        ConvertedDescriptor root = await ConvertDocumentAsync(target, 0, cancellationToken);
        return new ConvertedImage(target.Digest, new Descriptor(target.MediaType, root.Converted, root.Size), root.Root, _done);
    }

    private async Task<ConvertedDescriptor> ConvertDocumentAsync(Descriptor descriptor, int depth, CancellationToken cancellationToken)
    {
        const int MaxDepth = 4;
        if (depth > MaxDepth)
        {
            throw new ImageSourceException($"{descriptor.Digest} is an index in more than {MaxDepth} others");
        }

        JsonObject document = ImageGraph.ParseDocument(await source.ReadDocumentAsync(descriptor, cancellationToken), descriptor.Digest);
        if (document["manifests"] is JsonArray manifests)
        {
            await ConvertIndexAsync(manifests, depth, cancellationToken);
        }
        else
        {
            JsonNode?[] parts = [document["config"], .. document["layers"] is JsonArray layers ? layers : []];
            await Task.WhenAll(parts.Select(async part => Replace(part!, await ConvertBlobAsync(Descriptor.Parse(part), cancellationToken))));
        }

        byte[] bytes = Encoding.UTF8.GetBytes(document.ToJsonString());
        DagRoot root = await DagImport.FromStreamAsync(new MemoryStream(bytes), store.Blocks, profile, null, cancellationToken);
        return Record(descriptor, root);
    }

    /// <summary>Converts the manifests of an index: this host's platform, or all; those that are not converted are taken out of it.</summary>
    private async Task ConvertIndexAsync(JsonArray manifests, int depth, CancellationToken cancellationToken)
    {
        JsonNode[] wanted = [.. manifests.Where(m => AllPlatforms || Descriptor.Parse(m).Platform == Platform.Host).Select(m => m!)];
        if (wanted.Length == 0)
        {
            throw new ImageSourceException($"the index has no manifest for {Platform.Host}: --all-platforms converts every one");
        }

        foreach (JsonNode other in manifests.Where(m => !wanted.Contains(m)).Select(m => m!).ToArray())
        {
            manifests.Remove(other);
        }

        foreach (JsonNode manifest in wanted)
        {
            Descriptor child = Descriptor.Parse(manifest);
            Replace(manifest, child.IsIndex || child.IsManifest
                ? await ConvertDocumentAsync(child, depth + 1, cancellationToken)
                : await ConvertBlobAsync(child, cancellationToken));
        }
    }

    private async Task<ConvertedDescriptor?> ConvertBlobAsync(Descriptor descriptor, CancellationToken cancellationToken)
    {
        if (MediaTypes.IsForeign(descriptor.MediaType))
        {
            return null;
        }

        await _turns.WaitAsync(cancellationToken);
        try
        {
            await using Stream stream = new VerifyingStream(await source.OpenAsync(descriptor, cancellationToken), descriptor);
            DagRoot root = await DagImport.FromStreamAsync(stream, store.Blocks, profile, null, cancellationToken);

            // A layer whose last chunk is full has not met its end yet, and the digest is checked there.
            if (await stream.ReadAsync(new byte[1], cancellationToken) != 0)
            {
                throw new ImageSourceException($"{descriptor.Digest} goes on after its end");
            }

            return Record(descriptor, root);
        }
        finally
        {
            _turns.Release();
        }
    }

    private ConvertedDescriptor Record(Descriptor descriptor, DagRoot root)
    {
        var digest = new Digest(root.Root.Hash);
        DateTimeOffset now = TimeProvider.System.GetUtcNow();
        store.Pins.Put(new PinRecord(root.Root, Recursive: true, $"convert {descriptor.Digest}"));
        Updates.Change(digest, there => there is null
            ? new ContentRecord
            {
                Digest = digest, Kind = ContentKind.Dag, Root = root.Root, Size = root.Size, Profile = profile.Name, Complete = true, CreatedAt = now, UpdatedAt = now,
            }
            : there.Complete ? there : there with { Complete = true });

        var converted = new ConvertedDescriptor(descriptor.MediaType, descriptor.Digest, digest, root.Size, root.Root, root.Blocks);
        lock (_lock)
        {
            _done.Add(converted);
        }

        return converted;
    }

    private static void Replace(JsonNode descriptor, ConvertedDescriptor? converted)
    {
        if (converted is not null)
        {
            descriptor["digest"] = converted.Converted.ToString();
            descriptor["size"] = converted.Size;
        }
    }
}
