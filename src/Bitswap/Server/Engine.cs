using System.Collections.Concurrent;
using Ipcs.Blockstore;
using Ipcs.Libp2p;
using Ipcs.Multiformats;

namespace Ipcs.Bitswap.Server;

/// <summary>
/// What all links have in common: the store that is served, turns at reading it (so that a peer with a long wantlist gets one message's worth and
/// then waits for the others), the upload rate, and the ledgers. Owns the ledgers and the rate.
/// </summary>
internal sealed class Engine(IHost host, IBlockstore store, BitswapOptions options, TimeProvider time) : IDisposable
{
    /// <summary>Messages put together at a time: enough to keep a disk busy, few enough that turns mean something.</summary>
    private const int ReadSlotCount = 4;

    /// <summary>Ledgers kept; past that, those of peers with whom little was exchanged are forgotten.</summary>
    private const int MaxLedgers = 4096;

    private readonly ConcurrentDictionary<PeerId, Ledger> _ledgers = new();
    private long _forgottenBlocks;
    private long _forgottenBytes;

    public IHost Host { get; } = host;

    public IBlockstore Store { get; } = store;

    public TimeProvider Time { get; } = time;

    /// <summary>ReadSlotCount at reading blocks, in the order of asking.</summary>
    public SemaphoreSlim ReadSlots { get; } = new(ReadSlotCount, ReadSlotCount);

    /// <summary>What may be sent a second.</summary>
    public FairUploadScheduler Upload { get; } = new(options.UploadRate, time);

    /// <summary>Blocks sent to all.</summary>
    public long BlocksSent => Interlocked.Read(ref _forgottenBlocks) + _ledgers.Values.Sum(l => l.BlocksSent);

    /// <summary>Bytes of them.</summary>
    public long BytesSent => Interlocked.Read(ref _forgottenBytes) + _ledgers.Values.Sum(l => l.Sent);

    /// <inheritdoc/>
    public void Dispose() => Upload.Dispose();

    /// <summary>The ledger of a peer; null when nothing has been exchanged.</summary>
    public Ledger? FindLedger(PeerId peer) => _ledgers.GetValueOrDefault(peer);

    /// <summary>The ledger of a peer.</summary>
    public Ledger LedgerOf(PeerId peer)
    {
        if (_ledgers.TryGetValue(peer, out Ledger? known))
        {
            return known;
        }

        if (_ledgers.Count >= MaxLedgers)
        {
            foreach ((PeerId least, _) in _ledgers.OrderBy(l => l.Value.Sent + l.Value.Received).Take(MaxLedgers / 16).ToArray())
            {
                if (_ledgers.TryRemove(least, out Ledger? gone))
                {
                    Interlocked.Add(ref _forgottenBlocks, gone.BlocksSent);
                    Interlocked.Add(ref _forgottenBytes, gone.Sent);
                }
            }
        }

        return _ledgers.GetOrAdd(peer, _ => new Ledger());
    }
}
