using System.Security.Cryptography;
using Ipcs.Blockstore;
using Ipcs.Dag.UnixFs;

namespace Ipcs.Dag.Import;

/// <summary>Imports whole streams.</summary>
public static class DagImport
{
    /// <summary>
    /// Reads the stream to its end and imports it, on as many cores as there are: chunks are hashed and stored on the thread pool, a few at a
    /// time, and linked in order; the content hash, if asked for, is fed beside them. The memory is at most <see cref="MaxChunksInMemory"/>
    /// chunks of the profile's greatest length, whatever the stream's.
    /// </summary>
    /// <param name="stream">Read to its end, not disposed.</param>
    /// <param name="store">Where the blocks go.</param>
    /// <param name="profile">How the DAG is made.</param>
    /// <param name="alsoHash">Gets every byte in order; may be null.</param>
    /// <param name="cancellationToken">Stops the import; what was put stays.</param>
    /// <exception cref="ArgumentException">The profile is out of bounds.</exception>
    public static Task<DagRoot> FromStreamAsync(
        Stream stream, IBlockstore store, ImportProfile profile, IncrementalHash? alsoHash, CancellationToken cancellationToken) =>
        FromStreamAsync(stream, store, profile, null, null, alsoHash, cancellationToken);

    /// <summary>The same, with POSIX metadata in the root.</summary>
    /// <param name="stream">Read to its end, not disposed.</param>
    /// <param name="store">Where the blocks go.</param>
    /// <param name="profile">How the DAG is made.</param>
    /// <param name="mode">The file's mode; may be null.</param>
    /// <param name="mtime">The file's modification time; may be null.</param>
    /// <param name="alsoHash">Gets every byte in order; may be null.</param>
    /// <param name="cancellationToken">Stops the import; what was put stays.</param>
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

    /// <summary>How many chunks may be in memory: one being read, one being hashed on each core, and one that waits for each.</summary>
    public static int MaxChunksInMemory { get; } = Math.Clamp((2 * Environment.ProcessorCount) + 1, 3, 9);
}
