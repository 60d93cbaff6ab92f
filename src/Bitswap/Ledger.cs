namespace Ipcs.Bitswap;

/// <summary>What has gone to and come from one peer. Thread-safe.</summary>
public sealed class Ledger
{
    private long _sent;
    private long _received;
    private long _exchanged;
    private long _blocksSent;

    /// <summary>Block bytes sent to it, packed where the blocks were.</summary>
    public long Sent => Interlocked.Read(ref _sent);

    /// <summary>Block bytes received of it, packed where the blocks were.</summary>
    public long Received => Interlocked.Read(ref _received);

    /// <summary>Messages with blocks, both ways.</summary>
    public long Exchanged => Interlocked.Read(ref _exchanged);

    /// <summary>Blocks sent to it.</summary>
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
