using System.Buffers;

namespace Ipcs.Bitswap.Client;

/// <summary>
/// Limits how many received blocks are shared with sessions at a time: each keeps the memory of the message that it came in. Thread-safe.
/// </summary>
/// <param name="most">The most blocks at a time.</param>
internal sealed class BlockSharing(int most)
{
    private int _shared;

    /// <summary>The number of blocks that are shared now.</summary>
    public int Count => Volatile.Read(ref _shared);

    /// <summary>The block's bytes, which the caller disposes; null when they cannot be shared or the limit is reached.</summary>
    public IMemoryOwner<byte>? TryShare(ReceivedBlock block)
    {
        if (Interlocked.Increment(ref _shared) <= most && block.TryShare() is { } bytes)
        {
            return new Shared(this, bytes);
        }

        Interlocked.Decrement(ref _shared);
        return null;
    }

    private sealed class Shared(BlockSharing owner, IMemoryOwner<byte> bytes) : IMemoryOwner<byte>
    {
        private int _disposed;

        public Memory<byte> Memory => bytes.Memory;

        public void Dispose()
        {
            if (Interlocked.Exchange(ref _disposed, 1) == 0)
            {
                bytes.Dispose();
                Interlocked.Decrement(ref owner._shared);
            }
        }
    }
}
