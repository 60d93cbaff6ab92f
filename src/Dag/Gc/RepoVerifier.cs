using System.Buffers;
using Ipcs.Blockstore;
using Ipcs.Dag.Read;
using Ipcs.Multiformats;

namespace Ipcs.Dag.Gc;

/// <summary>
/// Verifies the hash of every block, and that complete contents and pins have all their blocks. Runs concurrently with other operations;
/// what is deleted meanwhile is not reported.
/// </summary>
public sealed class RepoVerifier(IStore store)
{
    // Reading and hashing 256 KiB takes some 0.2 ms of a core.
    private static readonly int Readers = Math.Clamp(Environment.ProcessorCount, 1, 4);

    /// <summary>Verifies the blocks.</summary>
    /// <param name="bad">
    /// Called for every damaged block, with the reason, and with the default hash for every damaged place of the store's tables, whose
    /// blocks are not known. Never called concurrently.
    /// </param>
    /// <param name="progress">Called at times with the number of blocks verified so far. Never called concurrently.</param>
    /// <param name="cancellationToken">Stops the verification.</param>
    /// <returns>The number of blocks.</returns>
    public long CheckBlocks(Action<Multihash, string> bad, Action<long> progress, CancellationToken cancellationToken)
    {
        const int Step = 1000;
        long count = 0;
        var callbackLock = new Lock();
        Parallel.ForEach(
            store.Blocks.Enumerate(OnDamage),
            new ParallelOptions { MaxDegreeOfParallelism = Readers, CancellationToken = cancellationToken },
            block =>
            {
                string? fault = FaultOf(block.Hash, block.Length);
                lock (callbackLock)
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

        void OnDamage(StoreException damage)
        {
            lock (callbackLock)
            {
                bad(default, damage.Message);
            }
        }
    }

    /// <summary>
    /// Marks the contents that lack a block as incomplete, so that they are not offered to peers and can be fetched again.
    /// </summary>
    /// <param name="catalog">The contents.</param>
    /// <param name="onMarked">Called with each marked content.</param>
    /// <param name="cancellationToken">Stops the walk.</param>
    public void MarkIncomplete(ContentCatalog catalog, Action<ContentRecord> onMarked, CancellationToken cancellationToken)
    {
        foreach ((ContentRecord content, string? fault) in CheckContents(cancellationToken))
        {
            if (fault is not null && catalog.MarkIncomplete(content) is { } changed)
            {
                onMarked(changed);
            }
        }
    }

    /// <summary>Reads every block of a content. Returns what is wrong with the first that is missing or damaged; null for none.</summary>
    /// <param name="content">The content.</param>
    /// <param name="damaged">
    /// Called with the hash of each block whose bytes have another hash. It may delete the block. All of them must go before the content is
    /// fetched again: the stored ones are not, and the hash of the whole would be wrong.
    /// </param>
    /// <param name="cancellationToken">Stops the walk.</param>
    public string? CheckContent(ContentRecord content, Action<Multihash> damaged, CancellationToken cancellationToken)
    {
        using GcLease lease = store.LeaseDag(content.Root);
        string? fault = FaultBelow(content.Root, cancellationToken);
        try
        {
            foreach (Cid cid in DagVerify.Reachable(store.Blocks, content.Root, cancellationToken))
            {
                if (cid.Hash.Code != Multihash.Identity && FaultOf(cid, damaged) is { } found)
                {
                    fault ??= found;
                }
            }
        }
        catch (Exception e) when (e is DagFormatException or StoreException)
        {
            fault ??= e.Message;
        }

        return fault;
    }

    /// <summary>The pins that lack a block, and why.</summary>
    public IEnumerable<(PinRecord Pin, string Why)> BrokenPins(CancellationToken cancellationToken)
    {
        foreach ((PinRecord pin, string? fault) in CheckPins(cancellationToken))
        {
            if (fault is not null)
            {
                yield return (pin, fault);
            }
        }
    }

    /// <summary>Verifies the contents and pins.</summary>
    /// <param name="bad">Called for every content or pin with a missing or damaged block, with the reason.</param>
    /// <param name="cancellationToken">Stops the verification.</param>
    /// <returns>The number of contents and pins.</returns>
    public int CheckWhole(Action<string, string> bad, CancellationToken cancellationToken)
    {
        int count = 0;
        foreach ((ContentRecord content, string? fault) in CheckContents(cancellationToken))
        {
            count++;
            if (fault is not null)
            {
                bad($"content {content.Digest}", fault);
            }
        }

        foreach ((PinRecord pin, string? fault) in CheckPins(cancellationToken))
        {
            count++;
            if (fault is not null)
            {
                bad($"pin {pin.Root}", fault);
            }
        }

        return count;
    }

    /// <summary>The complete contents, each with what is wrong with it; null for nothing, or when it was deleted meanwhile.</summary>
    private IEnumerable<(ContentRecord Content, string? Fault)> CheckContents(CancellationToken cancellationToken)
    {
        foreach (ContentRecord content in store.Contents.Enumerate().Where(content => content.Complete))
        {
            using GcLease lease = store.LeaseDag(content.Root);
            string? fault = FaultBelow(content.Root, cancellationToken);
            yield return (content, fault is not null && store.Contents.Get(content.Digest) is { Complete: true } ? fault : null);
        }
    }

    /// <summary>The pins, each with what is wrong with it; null for nothing, or when it was removed meanwhile.</summary>
    private IEnumerable<(PinRecord Pin, string? Fault)> CheckPins(CancellationToken cancellationToken)
    {
        foreach (PinRecord pin in store.Pins.Enumerate())
        {
            using GcLease lease = store.LeaseDag(pin.Root);
            string? fault = pin.Recursive
                ? FaultBelow(pin.Root, cancellationToken)
                : store.Blocks.Has(pin.Root.Hash) ? null : "the block is missing";
            yield return (pin, fault is not null && store.Pins.Get(pin.Root) is not null ? fault : null);
        }
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
                ? $"it has {block.Memory.Length} bytes instead of {length}"
                : hash.Verifies(block.Memory.Span) ? null : "its bytes have another hash";
        }
        catch (StoreException e)
        {
            return e.Message;
        }
    }

    private string? FaultOf(Cid cid, Action<Multihash> damaged)
    {
        try
        {
            using IMemoryOwner<byte>? block = store.Blocks.Get(cid.Hash);
            if (block is null || cid.Hash.Verifies(block.Memory.Span))
            {
                return block is null ? $"block {cid} is missing" : null;
            }
        }
        catch (StoreException e)
        {
            return e.Message;
        }

        damaged(cid.Hash);
        return $"block {cid} is damaged";
    }

    private string? FaultBelow(Cid root, CancellationToken cancellationToken)
    {
        try
        {
            return DagVerify.Missing(store.Blocks, root, cancellationToken).Select(cid => $"block {cid} is missing").FirstOrDefault();
        }
        catch (Exception e) when (e is DagFormatException or StoreException)
        {
            return e.Message;
        }
    }
}
