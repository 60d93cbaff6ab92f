using System.Buffers;
using System.Collections.Concurrent;
using Ipcs.Blockstore;
using Ipcs.Multiformats;

namespace Ipcs.Dag.Tests;

/// <summary>A source over a store that counts requests and blocks not disposed, and can delay answers.</summary>
internal sealed class TestSource(IBlockstore store) : IBlockSource
{
    private int _held;
    private int _inFlight;
    private int _mostInFlight;

    /// <summary>Every CID requested, in order.</summary>
    public ConcurrentQueue<Cid> Asked { get; } = new();

    /// <summary>The number of blocks returned and not disposed.</summary>
    public int Held => Volatile.Read(ref _held);

    /// <summary>The most concurrent requests so far.</summary>
    public int MostInFlight => Volatile.Read(ref _mostInFlight);

    /// <summary>Awaited before each answer.</summary>
    public Func<Cid, CancellationToken, Task>? Before { get; set; }

    public async ValueTask<IMemoryOwner<byte>> GetAsync(Cid cid, CancellationToken cancellationToken)
    {
        Asked.Enqueue(cid);
        int now = Interlocked.Increment(ref _inFlight);
        for (int most = MostInFlight; now > most; most = MostInFlight)
        {
            Interlocked.CompareExchange(ref _mostInFlight, now, most);
        }

        try
        {
            if (Before is not null)
            {
                await Before(cid, cancellationToken);
            }

            IMemoryOwner<byte> block = store.Get(cid.Hash) ?? throw new BlockNotFoundException(cid, "the test has no such block");
            Interlocked.Increment(ref _held);
            return new Counted(this, block);
        }
        finally
        {
            Interlocked.Decrement(ref _inFlight);
        }
    }

    private sealed class Counted(TestSource source, IMemoryOwner<byte> inner) : IMemoryOwner<byte>
    {
        private bool _disposed;

        public Memory<byte> Memory => _disposed ? throw new ObjectDisposedException(nameof(Counted)) : inner.Memory;

        public void Dispose()
        {
            if (!_disposed)
            {
                _disposed = true;
                inner.Dispose();
                Interlocked.Decrement(ref source._held);
            }
        }
    }
}
