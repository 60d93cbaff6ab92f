using System.Security.Cryptography;
using Ipcs.Blockstore;
using Ipcs.Dag.UnixFs;

namespace Ipcs.Dag.Import;

/// <summary>Imports whole streams.</summary>
public static class DagImport
{
    /// <summary>
    /// Reads the stream to its end and imports it on all cores: the thread pool hashes and stores chunks in parallel, they are linked in
    /// order, and the content hash, if requested, is computed at the same time. Memory: at most <see cref="MaxChunksInMemory"/> chunks of
    /// the profile's maximum length.
    /// </summary>
    /// <param name="stream">The file; read to its end, not disposed.</param>
    /// <param name="store">Takes the blocks.</param>
    /// <param name="profile">The form of the DAG.</param>
    /// <param name="alsoHash">Receives every byte in order; may be null.</param>
    /// <param name="cancellationToken">Stops the import; blocks stored by then stay.</param>
    /// <exception cref="ArgumentException">The profile is out of bounds.</exception>
    public static Task<DagRoot> FromStreamAsync(
        Stream stream, IBlockstore store, ImportProfile profile, IncrementalHash? alsoHash, CancellationToken cancellationToken) =>
        FromStreamAsync(stream, store, profile, null, null, alsoHash, cancellationToken);

    /// <summary>Imports the stream with POSIX metadata in the root.</summary>
    /// <param name="stream">The file; read to its end, not disposed.</param>
    /// <param name="store">Takes the blocks.</param>
    /// <param name="profile">The form of the DAG.</param>
    /// <param name="mode">The file's mode; may be null.</param>
    /// <param name="mtime">The file's modification time; may be null.</param>
    /// <param name="alsoHash">Receives every byte in order; may be null.</param>
    /// <param name="cancellationToken">Stops the import; blocks stored by then stay.</param>
    /// <exception cref="ArgumentException">The profile is out of bounds.</exception>
    public static async Task<DagRoot> FromStreamAsync(
        Stream stream,
        IBlockstore store,
        ImportProfile profile,
        uint? mode,
        UnixFsTime? mtime,
        IncrementalHash? alsoHash,
        CancellationToken cancellationToken)
    {
        var importer = new DagImporter(store, profile);
        var pipeline = new ImportPipeline(importer, alsoHash, MaxChunksInMemory, profile.Chunker.MaxLength);
        await pipeline.RunAsync(stream, profile.Chunker.Create(), cancellationToken);
        return importer.Finish(mode, mtime);
    }

    /// <summary>The most chunks in memory: one that is read, and for each core one that is hashed and one that waits.</summary>
    public static int MaxChunksInMemory { get; } = Math.Clamp((2 * Environment.ProcessorCount) + 1, 3, 9);
}
