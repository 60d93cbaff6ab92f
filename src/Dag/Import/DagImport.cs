using System.Security.Cryptography;
using Ipcs.Blockstore;

namespace Ipcs.Dag.Import;

/// <summary>Imports whole streams.</summary>
public static class DagImport
{
    /// <summary>The most chunks hashed at a time; the memory is this many chunks.</summary>
    private const int MaxParallelism = 8;

    /// <summary>
    /// Reads the stream to its end and imports it. Leaves are hashed and stored on the thread pool, a few at a time, and linked in order; the
    /// content hash, if asked for, is fed meanwhile.
    /// </summary>
    /// <param name="stream">Read to its end, not disposed.</param>
    /// <param name="store">Where the blocks go.</param>
    /// <param name="profile">How the DAG is made.</param>
    /// <param name="alsoHash">Gets every byte in order; may be null.</param>
    /// <param name="cancellationToken">Stops the import; what was put stays.</param>
    public static async Task<DagRoot> FromStreamAsync(
        Stream stream, IBlockstore store, ImportProfile profile, IncrementalHash? alsoHash, CancellationToken cancellationToken)
    {
        var importer = new DagImporter(store, profile);
        int parallelism = Math.Clamp(Environment.ProcessorCount, 1, MaxParallelism);
        var inFlight = new Queue<Task<DagEntry>>(parallelism);
        var free = new Stack<byte[]>(parallelism);
        int chunkSize = profile.ChunkSize;
        try
        {
            bool ended = false;
            while (!ended)
            {
                if (inFlight.Count == parallelism)
                {
                    importer.AddLeaf(await inFlight.Dequeue());
                }

                byte[] buffer = Rent();
                int length = await stream.ReadAtLeastAsync(
                    buffer.AsMemory(LeafWriter.Headroom, chunkSize), chunkSize, throwOnEndOfStream: false, cancellationToken);
                ended = length < chunkSize;
                if (length == 0)
                {
                    Release(buffer);
                    break;
                }

                // A short file is hashed here: a thread hop would cost more than its hash.
                Task<DagEntry> leaf = ended && inFlight.Count == 0 ? Task.FromResult(Put(buffer, length)) : Task.Run(() => Put(buffer, length), CancellationToken.None);
                inFlight.Enqueue(leaf);
                alsoHash?.AppendData(buffer, LeafWriter.Headroom, length);
                _ = leaf.ContinueWith(_ => Release(buffer), CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
            }

            while (inFlight.TryDequeue(out Task<DagEntry>? leaf))
            {
                importer.AddLeaf(await leaf);
            }

            return importer.Finish();
        }
        finally
        {
            // Nothing may write into the store once the caller has its answer.
            await Task.WhenAll(inFlight).ContinueWith(
                static _ => { }, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
        }

        DagEntry Put(byte[] buffer, int length) => importer.Leaf.Put(buffer, length);

        byte[] Rent()
        {
            lock (free)
            {
                if (free.TryPop(out byte[]? buffer))
                {
                    return buffer;
                }
            }

            return GC.AllocateUninitializedArray<byte>(LeafWriter.Headroom + chunkSize + LeafWriter.Tailroom);
        }

        void Release(byte[] buffer)
        {
            lock (free)
            {
                free.Push(buffer);
            }
        }
    }
}
