using System.Buffers;
using Ipcs.Blockstore;
using Ipcs.Dag.Read;
using Ipcs.Multiformats;

namespace Ipcs.Dag.Gc;

/// <summary>
/// Reads every block and checks its hash, and looks whether everything that is promised whole is: contents that are complete, and recursive
/// pins. Runs beside everything else; what goes away meanwhile is no fault.
/// </summary>
public sealed class RepoVerifier(IStore store)
{
    // Reading and hashing 256 KiB takes some 0.2 ms of a core.
    private static readonly int Readers = Math.Clamp(Environment.ProcessorCount, 1, 4);

    /// <summary>Checks the blocks.</summary>
    /// <param name="bad">Told of every block that is not what its hash says, and why. One at a time.</param>
    /// <param name="progress">Told how many blocks are checked, now and then. One at a time.</param>
    /// <param name="cancellationToken">Stops it.</param>
    /// <returns>How many blocks there were.</returns>
    public long CheckBlocks(Action<Multihash, string> bad, Action<long> progress, CancellationToken cancellationToken)
    {
        const int Step = 1000;
        long count = 0;
        var gate = new Lock();
        Parallel.ForEach(
            store.Blocks.Enumerate(),
            new ParallelOptions { MaxDegreeOfParallelism = Readers, CancellationToken = cancellationToken },
            block =>
            {
                string? fault = FaultOf(block.Hash, block.Length);
                lock (gate)
                {
                    count++;
                    if (fault is not null)
                    {
                        bad(block.Hash, fault);
                    }

                    if (count % Step == 0)
                    {
                        progress(count);
                    }
                }
            });
        return count;
    }

    /// <summary>Checks the contents and pins.</summary>
    /// <param name="bad">Told what is not whole, and why.</param>
    /// <param name="cancellationToken">Stops it.</param>
    /// <returns>How many contents and pins there were.</returns>
    public int CheckWhole(Action<string, string> bad, CancellationToken cancellationToken)
    {
        int count = 0;
        foreach (ContentRecord content in store.Contents.Enumerate().Where(content => content.Complete))
        {
            count++;
            using GcLease kept = store.LeaseDag(content.Root);
            if (FaultBelow(content.Root, cancellationToken) is { } fault && store.Contents.Get(content.Digest) is { Complete: true })
            {
                bad($"content {content.Digest}", fault);
            }
        }

        foreach (PinRecord pin in store.Pins.Enumerate())
        {
            count++;
            using GcLease kept = store.LeaseDag(pin.Root);
            string? fault = pin.Recursive
                ? FaultBelow(pin.Root, cancellationToken)
                : store.Blocks.Has(pin.Root.Hash) ? null : "the block is missing";
            if (fault is not null && store.Pins.Get(pin.Root) is not null)
            {
                bad($"pin {pin.Root}", fault);
            }
        }

        return count;
    }

    private string? FaultOf(in Multihash hash, int length)
    {
        try
        {
            using IMemoryOwner<byte>? block = store.Blocks.Get(hash);
            if (block is null)
            {
                return store.Blocks.Has(hash) ? "its bytes are missing" : null;
            }

            return block.Memory.Length != length
                ? $"it has {block.Memory.Length} bytes and not {length}"
                : hash.Verifies(block.Memory.Span) ? null : "its bytes have another hash";
        }
        catch (StoreException e) when (e.IsCorruption)
        {
            return e.Message;
        }
    }

    private string? FaultBelow(Cid root, CancellationToken cancellationToken)
    {
        try
        {
            return DagVerify.Missing(store.Blocks, root, cancellationToken).Select(cid => $"block {cid} is missing").FirstOrDefault();
        }
        catch (Exception e) when (e is DagFormatException or StoreException { IsCorruption: true })
        {
            return e.Message;
        }
    }
}
