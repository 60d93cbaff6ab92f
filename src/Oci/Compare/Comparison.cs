using Ipcs.Dag.Import;

namespace Ipcs.Oci.Compare;

/// <summary>The blocks that exactly these images have.</summary>
/// <param name="Images">Numbers of the images, in the order in which they were given.</param>
/// <param name="Blocks">How many blocks, each once.</param>
/// <param name="Bytes">Their bytes.</param>
public sealed record Bucket(IReadOnlyList<int> Images, long Blocks, long Bytes);

/// <summary>What images share under one chunker.</summary>
/// <param name="Buckets">Every set of images that share a block, the smaller sets first.</param>
public sealed record Comparison(IReadOnlyList<Bucket> Buckets)
{
    /// <summary>
    /// Puts the blocks that the images would have when converted into buckets by the exact set of images that have them. Nothing is stored; a layer
    /// that several images have is read once.
    /// </summary>
    /// <param name="sources">The images, 64 at most.</param>
    /// <param name="profile">How DAGs are made.</param>
    /// <param name="allPlatforms">True for every platform of an index, false for this host's.</param>
    /// <param name="begun">Told of each image that is begun, with its progress.</param>
    /// <param name="cancellationToken">Stops it.</param>
    /// <exception cref="ImageSourceException">An image can't be had.</exception>
    public static async Task<Comparison> MakeAsync(
        IReadOnlyList<IImageSource> sources, ImportProfile profile, bool allPlatforms, Action<int, TransferProgress>? begun, CancellationToken cancellationToken)
    {
        if (sources.Count > BlockTable.MaxImages)
        {
            throw new ImageSourceException($"{sources.Count} images are more than the {BlockTable.MaxImages} that can be compared at once");
        }

        var table = new BlockTable();
        for (int i = 0; i < sources.Count; i++)
        {
            table.Begin(i);
            var converter = new Converter(sources[i], table.StoreFor, profile) { AllPlatforms = allPlatforms, Memory = table };
            begun?.Invoke(i, converter.Progress);
            await converter.ConvertAsync(cancellationToken);
        }

        return new Comparison(
        [
            .. table.Buckets().OrderBy(b => ulong.PopCount(b.Key)).ThenBy(b => b.Key)
                .Select(b => new Bucket([.. Enumerable.Range(0, sources.Count).Where(i => (b.Key >> i & 1) != 0)], b.Value.Blocks, b.Value.Bytes)),
        ]);
    }
}
