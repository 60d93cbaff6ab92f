using System.Security.Cryptography;
using Ipcs.Dag.Chunking;

namespace Ipcs.Dag.Import;

/// <summary>
/// Reads a stream chunk by chunk into a fixed number of buffers. The thread pool hashes and stores the chunks in parallel, while the
/// content hash takes them in order. Owns the buffers. Used once.
/// </summary>
internal sealed class ImportPipeline(DagImporter importer, IncrementalHash? alsoHash, int buffers, int maxChunk)
{
    /// <summary>The length of a first buffer: small streams (manifests, configs) need none for a whole chunk.</summary>
    private const int FirstBufferLength = 16 * 1024;

    private readonly Queue<Chunk> _inFlight = new(buffers);
    private readonly Stack<byte[]> _free = new(buffers);
    private int _allocated;
    private Task _hashed = Task.CompletedTask;

    public async Task RunAsync(Stream stream, IChunker chunker, CancellationToken cancellationToken)
    {
        try
        {
            byte[] buffer = Allocate(Math.Min(FirstBufferLength, maxChunk));
            int filled = 0;
            int seen = 0;
            for (bool ended = false; ;)
            {
                int length = 0;
                if (seen < filled)
                {
                    int cut = chunker.FindCut(buffer.AsSpan(LeafWriter.Headroom + seen, filled - seen));
                    length = cut == 0 ? 0 : seen + cut;
                    seen = filled;
                }

                if (length == 0 && !ended)
                {
                    buffer = WithRoom(buffer, filled + 1, filled);
                    int read = await stream.ReadAsync(Room(buffer, filled), cancellationToken);
                    filled += read;
                    ended = read == 0;
                    continue;
                }

                if (length == 0)
                {
                    await FinishAsync(buffer, filled);
                    return;
                }

                // The bytes after the cut begin the next chunk.
                int rest = filled - length;
                byte[] next = WithRoom(await TakeAsync(), rest, keep: 0);
                buffer.AsSpan(LeafWriter.Headroom + length, rest).CopyTo(next.AsSpan(LeafWriter.Headroom));
                Start(buffer, length);
                (buffer, filled, seen) = (next, rest, 0);
            }
        }
        finally
        {
            // After the caller has its result nothing may write to the store or the hash.
            await Task.WhenAll(_inFlight.Select(chunk => chunk.Done)).ContinueWith(
                static _ => { }, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
        }
    }

    private static Memory<byte> Room(byte[] buffer, int filled) =>
        buffer.AsMemory(LeafWriter.Headroom + filled, buffer.Length - LeafWriter.Headroom - LeafWriter.Tailroom - filled);

    /// <summary>
    /// Links the chunks in flight, then the last chunk, which is hashed here: for a single chunk a thread switch costs more than its hash.
    /// </summary>
    private async Task FinishAsync(byte[] buffer, int length)
    {
        while (_inFlight.Count > 0)
        {
            await LinkOldestAsync();
        }

        if (length > 0)
        {
            alsoHash?.AppendData(buffer, LeafWriter.Headroom, length);
            importer.AddLeaf(importer.Leaf.Put(buffer, length, importer.NextIsBulk));
        }
    }

    private void Start(byte[] buffer, int length)
    {
        Task previous = _hashed;
        bool bulk = importer.NextIsBulk;
        Task<DagEntry> put = Task.Run(() => importer.Leaf.Put(buffer, length, bulk));
        _hashed = alsoHash is null ? Task.CompletedTask : HashAsync(previous, buffer, length);
        _inFlight.Enqueue(new Chunk(buffer, put, alsoHash is null ? put : Task.WhenAll(put, _hashed)));
    }

    private async Task HashAsync(Task previous, byte[] buffer, int length)
    {
        await previous;
        await Task.Run(() => alsoHash!.AppendData(buffer, LeafWriter.Headroom, length));
    }

    /// <summary>Waits for a free buffer.</summary>
    private async ValueTask<byte[]> TakeAsync()
    {
        if (_free.TryPop(out byte[]? buffer))
        {
            return buffer;
        }

        if (_allocated < buffers)
        {
            return Allocate(maxChunk);
        }

        await LinkOldestAsync();
        return _free.Pop();
    }

    private async Task LinkOldestAsync()
    {
        Chunk oldest = _inFlight.Peek();
        await oldest.Done;
        _inFlight.Dequeue();
        importer.AddLeaf(await oldest.Put);
        _free.Push(oldest.Buffer);
    }

    private byte[] Allocate(int length)
    {
        _allocated++;
        return GC.AllocateUninitializedArray<byte>(LeafWriter.Headroom + length + LeafWriter.Tailroom);
    }

    /// <summary>The buffer, or a copy of its first bytes in a buffer for a whole chunk when it is too short.</summary>
    private byte[] WithRoom(byte[] buffer, int needed, int keep)
    {
        if (buffer.Length - LeafWriter.Headroom - LeafWriter.Tailroom >= needed)
        {
            return buffer;
        }

        byte[] larger = GC.AllocateUninitializedArray<byte>(LeafWriter.Headroom + maxChunk + LeafWriter.Tailroom);
        buffer.AsSpan(LeafWriter.Headroom, keep).CopyTo(larger.AsSpan(LeafWriter.Headroom));
        return larger;
    }

    private readonly record struct Chunk(byte[] Buffer, Task<DagEntry> Put, Task Done);
}
