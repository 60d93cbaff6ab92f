using System.Buffers;
using System.Security.Cryptography;
using Ipcs.Bitswap.Client;
using Ipcs.Dag;
using Ipcs.Dag.Import;
using Ipcs.Fleet.Growing;
using Ipcs.Fleet.Resolve;
using Ipcs.Multiformats;

namespace Ipcs.Fleet;

/// <summary>
/// The fetch of a content that peers are getting themselves, so that its root is not known yet: they name its chunks as they get them. The
/// chunks are fetched, hashed in order, and put under the nodes that an import of the same bytes makes. Owns its session.
/// </summary>
/// <param name="services">What it works with.</param>
/// <param name="digest">The digest of the whole.</param>
/// <param name="size">The length of the whole in bytes, as the peers say.</param>
/// <param name="stallTime">How long the content may grow by less than a fair rate.</param>
/// <param name="own">Where peers of this node see the chunks; null when they do not.</param>
/// <param name="onProgress">Called with the number of bytes hashed.</param>
internal sealed class GrowingFetch(
    FetchServices services, Digest digest, long size, TimeSpan stallTime, GrowingContent? own, Action<long> onProgress) : IAsyncDisposable
{
    /// <summary>Chunks wanted at a time: 128 MiB at 256 KiB.</summary>
    private const int Window = 512;

    /// <summary>Peers that are followed at a time: each names the same chunks, and all can send them.</summary>
    private const int MaxFollowed = 8;

    /// <summary>The time between two questions to a peer that had no further chunk. At 1 Gbit/s a chunk takes 2 ms.</summary>
    private static readonly TimeSpan PollTime = TimeSpan.FromMilliseconds(100);

    /// <summary>The time between two searches for more peers that are getting the content.</summary>
    private static readonly TimeSpan FindTime = TimeSpan.FromSeconds(1);

    private readonly BitswapSession _session = services.Bitswap.CreateSession();
    private readonly ArrivingBlocks _arriving = new(services.Store.Blocks);
    private readonly Lock _lock = new();

    // Under the lock.
    private readonly List<Multihash> _chunks = [];
    private readonly HashSet<Multihash> _wanted = [];
    private readonly Dictionary<PeerId, Task> _following = [];
    private readonly HashSet<PeerId> _ended = [];
    private readonly FairRate _rate = new();
    private TaskCompletionSource _more = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _nextWanted;
    private int _outstanding;
    private long _written;

    /// <summary>The peers that were followed.</summary>
    public IReadOnlyList<PeerId> Peers
    {
        get
        {
            lock (_lock)
            {
                return [.. _following.Keys];
            }
        }
    }

    private long Now => (long)services.Time.GetElapsedTime(0).TotalMicroseconds;

    /// <summary>Completes when the whole is stored and verified.</summary>
    /// <exception cref="GrowthEndedException">The peers stopped before the whole was here.</exception>
    /// <exception cref="BlockNotFoundException">No peer sends a chunk.</exception>
    /// <exception cref="FalseContentException">The chunks are not those of the digest.</exception>
    public async Task<DagRoot> RunAsync(CancellationToken cancellationToken)
    {
        using var over = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        _rate.Begin(Now, 0);
        Task<DagRoot> checking = Task.Factory
            .StartNew(() => CheckAsync(over.Token), CancellationToken.None, TaskCreationOptions.None, services.Work)
            .Unwrap();
        Task finding = FindAsync(over.Token), taking = TakeAsync(over.Token), watching = WatchAsync(over.Token);
        Task first = await Task.WhenAny(checking, finding, taking, watching);
        await over.CancelAsync();
        await Task.WhenAll(checking, finding, taking, watching).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        Task[] following;
        lock (_lock)
        {
            following = [.. _following.Values];
        }

        await Task.WhenAll(following).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        cancellationToken.ThrowIfCancellationRequested();
        await first;
        return await checking;
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => _session.DisposeAsync();

    /// <summary>Follows the peers that are getting the content, also those that begin or connect later.</summary>
    private async Task FindAsync(CancellationToken over)
    {
        while (true)
        {
            foreach ((PeerId peer, GrowingPart part) in services.GrowersOf(digest))
            {
                if (part.Size == size)
                {
                    Follow(peer, part, over);
                }
            }

            foreach (PeerId leecher in services.Local.LeechersOf(digest))
            {
                _session.AddPeer(leecher, PeerAvailability.Partial);
            }

            await Task.Delay(FindTime, services.Time, over);
            await Task.WhenAny(services.Locator.AskAgainAsync([digest]), Task.Delay(FindTime, services.Time, over));
        }
    }

    private void Follow(PeerId peer, GrowingPart part, CancellationToken over)
    {
        lock (_lock)
        {
            bool isNew = !_following.TryGetValue(peer, out Task? following);
            if (isNew ? _following.Count == MaxFollowed : !following!.IsCompleted)
            {
                return;
            }

            _ended.Remove(peer);
            _following[peer] = FollowAsync(peer, part, over);
        }
    }

    private async Task FollowAsync(PeerId peer, GrowingPart first, CancellationToken over)
    {
        await Task.Yield();
        _session.AddPeer(peer, PeerAvailability.Partial);
        int from = 0;
        for (GrowingPart? part = first; part?.Size == size; part = await services.Locator.FollowAsync(peer, digest, from, over))
        {
            if (!Add(part, ref from))
            {
                await Task.Delay(PollTime, services.Time, over);
            }
        }

        lock (_lock)
        {
            _ended.Add(peer);
        }
    }

    /// <summary>Adds the chunks that a peer has named. False when none was new.</summary>
    private bool Add(GrowingPart part, ref int from)
    {
        lock (_lock)
        {
            _written = Math.Max(_written, part.Written);
            int known = _chunks.Count - from;
            int added = Math.Min(part.Chunks.Count - known, GrowingContent.MaxChunks - _chunks.Count);
            if (added > 0)
            {
                _chunks.AddRange(part.Chunks.Skip(known).Take(added));
                Want();
                _more.SetResult();
                _more = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            }

            from = _chunks.Count;
            return added > 0;
        }
    }

    /// <summary>Requests the next chunks. Called under the lock.</summary>
    private void Want()
    {
        var batch = new List<Cid>();
        for (; _nextWanted < _chunks.Count && _outstanding + batch.Count < Window; _nextWanted++)
        {
            if (_wanted.Add(_chunks[_nextWanted]))
            {
                batch.Add(Leaf(_chunks[_nextWanted]));
            }
        }

        if (batch.Count > 0)
        {
            _outstanding += batch.Count;
            _session.Prefetch(batch);
        }
    }

    private async Task TakeAsync(CancellationToken over)
    {
        while (true)
        {
            PrefetchResult result = await _session.Results.ReadAsync(over);
            if (result.Failure is { } failure)
            {
                throw new BlockNotFoundException(result.Cid, failure.Message, failure);
            }

            _arriving.Arrived(result.Cid, result.Block);
            lock (_lock)
            {
                _outstanding--;
                Want();
            }
        }
    }

    /// <summary>Ends the fetch when the content does not grow any more.</summary>
    private async Task WatchAsync(CancellationToken over)
    {
        while (true)
        {
            await Task.Delay(PollTime, services.Time, over);
            lock (_lock)
            {
                _rate.Update(Now, _written);
                if (_rate.UnfairTime(Now) > stallTime.TotalMicroseconds)
                {
                    throw new GrowthEndedException(
                        $"{digest} grew by less than a fair rate for {stallTime.TotalSeconds} s", isStalled: true);
                }

                // The last chunks may be on their way after the peers are done.
                if (_following.Count > 0 && _ended.Count == _following.Count && _outstanding == 0)
                {
                    throw new GrowthEndedException($"the peers that were getting {digest} stopped", isStalled: false);
                }
            }
        }
    }

    /// <summary>Hashes the chunks in order, and builds the DAG.</summary>
    private async Task<DagRoot> CheckAsync(CancellationToken cancellationToken)
    {
        // Blocks that arrive after the end are not kept.
        using ArrivingBlocks source = _arriving;
        using IncrementalHash hash = ContentHash.Create(digest);
        var assembly = new LeafAssembly(services.Store.Blocks, services.Profile);
        long done = 0;
        for (int i = 0; done < size; i++)
        {
            Multihash chunk = await ChunkAsync(i, cancellationToken);
            int length;
            using (IMemoryOwner<byte> block = await source.GetAsync(Leaf(chunk), cancellationToken))
            {
                length = block.Memory.Length;
                hash.AppendData(block.Memory.Span);
            }

            done += length;
            assembly.Add(Leaf(chunk), length);
            lock (_lock)
            {
                _rate.BlockArrived(length, Now, _written);
            }

            own?.Add(chunk);
            own?.Advance(done);
            onProgress(done);
        }

        return done == size && hash.GetHashAndReset().AsSpan().SequenceEqual(digest.Hash.Digest)
            ? assembly.Finish()
            : throw new FalseContentException($"the chunks that peers were getting do not hash to {digest}");
    }

    private async ValueTask<Multihash> ChunkAsync(int index, CancellationToken cancellationToken)
    {
        while (true)
        {
            Task more;
            lock (_lock)
            {
                if (index < _chunks.Count)
                {
                    return _chunks[index];
                }

                more = _more.Task;
            }

            await more.WaitAsync(cancellationToken);
        }
    }

    private static Cid Leaf(in Multihash chunk) => Cid.V1(Multicodec.Raw, chunk);
}
