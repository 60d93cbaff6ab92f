using Ipcs.Dag.Import;
using Ipcs.Oci.Conversion;

namespace Ipcs.Oci.Compare;

/// <summary>Which blocks images share with one chunker.</summary>
/// <param name="Buckets">An element for every set of images that share a block, the smaller sets first.</param>
public sealed record Comparison(IReadOnlyList<SharedBlocks> Buckets)
{
    /// <summary>
    /// Groups the blocks that the images would have when converted by the exact set of images that have them. Nothing is stored. A layer
    /// that several images have is read once.
    /// </summary>
    /// <param name="sources">The images, 64 at most.</param>
    /// <param name="profile">The profile of the DAGs.</param>
    /// <param name="allPlatforms">True for all platforms of an index, false for the platform of this host.</param>
    /// <param name="maxLayerLength">How many bytes one compressed layer may unpack to.</param>
    /// <param name="begun">Called when an image is begun, with its index and progress.</param>
    /// <param name="cancellationToken">Cancels the comparison.</param>
    /// <exception cref="ImageSourceException">An image cannot be read.</exception>
    public static async Task<Comparison> MakeAsync(
        IReadOnlyList<IImageSource> sources,
        ImportProfile profile,
        bool allPlatforms,
        long maxLayerLength,
        Action<int, ConversionProgress>? begun,
        CancellationToken cancellationToken)
    {
        if (sources.Count > BlockTable.MaxImages)
        {
            throw new ImageSourceException($"{sources.Count} images are more than the {BlockTable.MaxImages} that can be compared at once");
        }

        var table = new BlockTable();
        for (int i = 0; i < sources.Count; i++)
        {
            table.Begin(i);
            var converter = new Converter(sources[i], table.StoreFor, profile)
            {
                AllPlatforms = allPlatforms,
                MaxLayerLength = maxLayerLength,
                Memory = table,
            };
            begun?.Invoke(i, converter.Progress);
            await converter.ConvertAsync(cancellationToken);
        }

        return new Comparison(
        [
            .. table.Buckets().OrderBy(b => ulong.PopCount(b.Key)).ThenBy(b => b.Key)
                .Select(b => new SharedBlocks(
                    [.. Enumerable.Range(0, sources.Count).Where(i => (b.Key >> i & 1) != 0)], b.Value.Blocks, b.Value.Bytes)),
        ]);
    }
}
