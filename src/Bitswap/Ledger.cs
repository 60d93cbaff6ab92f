namespace Ipcs.Bitswap;

/// <summary>Counts the blocks exchanged with one peer. Thread-safe.</summary>
public sealed class Ledger
{
    private long _sent;
    private long _received;
    private long _exchanged;
    private long _blocksSent;

    /// <summary>Bytes of the blocks sent to the peer; of compressed blocks those of the frame.</summary>
    public long Sent => Interlocked.Read(ref _sent);

    /// <summary>Bytes of the blocks received from the peer; of compressed blocks those of the frame.</summary>
    public long Received => Interlocked.Read(ref _received);

    /// <summary>Messages with blocks, sent and received.</summary>
    public long Exchanged => Interlocked.Read(ref _exchanged);

    /// <summary>Blocks sent to the peer.</summary>
    internal long BlocksSent => Interlocked.Read(ref _blocksSent);

    internal void AddSent(int blocks, long bytes)
    {
        Interlocked.Add(ref _sent, bytes);
        Interlocked.Add(ref _blocksSent, blocks);
        Interlocked.Increment(ref _exchanged);
    }

    internal void AddReceived(long bytes)
    {
        Interlocked.Add(ref _received, bytes);
        Interlocked.Increment(ref _exchanged);
    }
}
