using System.Buffers;
using Ipcs.Blockstore;
using Ipcs.Libp2p;
using Ipcs.Multiformats;

namespace Ipcs.Bitswap.Server;

/// <summary>
/// What the message queues of all peers share: the store that is served, the slots for reading it, the upload rate, the index of waiting
/// peers, and the ledgers. Owns all but the host and the store. Thread-safe.
/// </summary>
/// <param name="host">The host, over which messages are sent.</param>
/// <param name="store">The blocks that are served.</param>
/// <param name="options">The upload rate.</param>
/// <param name="time">The clock.</param>
/// <param name="onUnreadable">
/// Called with a block that is stored and cannot be read, and the reason: at most once per <see cref="ReportTime"/>, and not concurrently.
/// </param>
internal sealed class Engine(
    IHost host, IBlockstore store, BitswapOptions options, TimeProvider time, Action<Cid, string> onUnreadable) : IDisposable
{
    /// <summary>Messages put together at a time: enough to keep a disk busy, few enough that peers with long wantlists alternate.</summary>
    private const int ReadSlotCount = 4;

    /// <summary>The maximum number of ledgers. Over that, those with the fewest bytes exchanged are removed.</summary>
    private const int MaxLedgers = 4096;

    /// <summary>The time between two reports of unreadable blocks: peers may ask for them as often as they like.</summary>
    private static readonly TimeSpan ReportTime = TimeSpan.FromSeconds(1);

    private readonly Lock _lock = new();
    private readonly Dictionary<PeerId, Ledger> _ledgers = [];
    private long _unreadable;
    private long? _reportedAt;
    private long _removedBlocks;
    private long _removedBytes;

    public IHost Host { get; } = host;

    public IBlockstore Store { get; } = store;

    public TimeProvider Time { get; } = time;

    /// <summary>
    /// One slot is taken per message while its blocks are read, in the order of asking: a peer with a long wantlist gets one message's
    /// worth and then waits for the others.
    /// </summary>
    public SemaphoreSlim ReadSlots { get; } = new(ReadSlotCount, ReadSlotCount);

    /// <summary>The upload rate.</summary>
    public FairUploadScheduler Upload { get; } = new(options.UploadRate, time);

    /// <summary>Which peers wait for which block.</summary>
    public WantIndex Waiting { get; } = new();

    /// <summary>Blocks sent to all peers.</summary>
    public long BlocksSent => Sum(_removedBlocks, l => l.BlocksSent);

    /// <summary>The bytes of those blocks.</summary>
    public long BytesSent => Sum(_removedBytes, l => l.Sent);

    /// <summary>How often a block that a peer wanted could not be read.</summary>
    public long UnreadableBlocks => Interlocked.Read(ref _unreadable);

    /// <inheritdoc/>
    public void Dispose()
    {
        Upload.Dispose();
        ReadSlots.Dispose();
    }

    /// <summary>
    /// Reads a block that a peer wants; null when it is not stored or cannot be read. That is a failure of this block alone: the other
    /// wants of the peer are answered.
    /// </summary>
    /// <param name="cid">The block.</param>
    /// <param name="acceptsCompressed">True to read the zstd frame of a block that is stored compressed.</param>
    /// <param name="compressed">True when the frame was read.</param>
    public IMemoryOwner<byte>? TryRead(Cid cid, bool acceptsCompressed, out bool compressed)
    {
        compressed = false;
        try
        {
            IMemoryOwner<byte>? frame = acceptsCompressed ? Store.GetCompressed(cid.Hash) : null;
            compressed = frame is not null;
            return frame ?? Store.Get(cid.Hash);
        }
        catch (StoreException e)
        {
            Report(cid, e);
            return null;
        }
    }

    /// <summary>The length of a block that a peer wants; false when it is not stored or cannot be read.</summary>
    public bool TryGetLength(Cid cid, out int length)
    {
        try
        {
            return Store.TryGetLength(cid.Hash, out length);
        }
        catch (StoreException e)
        {
            Report(cid, e);
            length = 0;
            return false;
        }
    }

    /// <summary>The ledger of a peer; null when nothing has been exchanged.</summary>
    public Ledger? FindLedger(PeerId peer)
    {
        lock (_lock)
        {
            return _ledgers.GetValueOrDefault(peer);
        }
    }

    /// <summary>The ledger of a peer; a new one when there is none.</summary>
    public Ledger LedgerOf(PeerId peer)
    {
        lock (_lock)
        {
            if (_ledgers.TryGetValue(peer, out Ledger? known))
            {
                return known;
            }

            if (_ledgers.Count >= MaxLedgers)
            {
                RemoveLeast();
            }

            var ledger = new Ledger();
            _ledgers.Add(peer, ledger);
            return ledger;
        }
    }

    private void Report(Cid cid, StoreException reason)
    {
        Interlocked.Increment(ref _unreadable);
        lock (_lock)
        {
            if (_reportedAt is not { } last || Time.GetElapsedTime(last) >= ReportTime)
            {
                _reportedAt = Time.GetTimestamp();
                onUnreadable(cid, reason.Message);
            }
        }
    }

    private void RemoveLeast()
    {
        foreach ((PeerId least, Ledger ledger) in _ledgers.OrderBy(l => l.Value.Sent + l.Value.Received).Take(MaxLedgers / 16).ToArray())
        {
            _ledgers.Remove(least);
            _removedBlocks += ledger.BlocksSent;
            _removedBytes += ledger.Sent;
        }
    }

    private long Sum(in long removed, Func<Ledger, long> value)
    {
        lock (_lock)
        {
            return removed + _ledgers.Values.Sum(value);
        }
    }
}
