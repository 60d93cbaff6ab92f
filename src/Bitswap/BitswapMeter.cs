using System.Diagnostics.Metrics;

namespace Ipcs.Bitswap;

/// <summary>The Bitswap metrics. Owns the meter.</summary>
internal sealed class BitswapMeter : IDisposable
{
    private readonly Meter _meter = new("ipcs.bitswap");
    private readonly Histogram<double> _firstBlock;

    public BitswapMeter(Func<BitswapStatistics> statistics)
    {
        _firstBlock = _meter.CreateHistogram<double>("first_block", "s", "The time from a session's first want to its first block.");
        Count("blocks_received", null, "Wanted blocks received and verified.", s => s.BlocksReceived);
        Count("bytes_received", "By", "Bytes of these blocks on the wire.", s => s.BytesReceived);
        Count("blocks_packed", null, "Blocks of these that were compressed on the wire.", s => s.CompressedReceived);
        Count("blocks_duplicate", null, "Blocks received that were no longer wanted.", s => s.DuplicateBlocks);
        Count("bytes_duplicate", "By", "Bytes of these blocks on the wire.", s => s.DuplicateBytes);
        Count("blocks_sent", null, "Blocks sent.", s => s.BlocksSent);
        Count("bytes_sent", "By", "Bytes of the blocks sent, on the wire.", s => s.BytesSent);
        Count("blocks_unreadable", null, "Blocks wanted by peers that are stored and cannot be read.", s => s.UnreadableBlocks);
        Count("messages_received", null, "Messages received.", s => s.MessagesReceived);
        _meter.CreateObservableGauge("wants", () => statistics().Wants, null, "Blocks wanted now.");
        _meter.CreateObservableGauge("peers", () => statistics().Peers, null, "Connected peers that speak Bitswap.");

        void Count(string name, string? unit, string description, Func<BitswapStatistics, long> value) =>
            _meter.CreateObservableCounter(name, () => value(statistics()), unit, description);
    }

    /// <summary>Records the time from a session's first want to its first block.</summary>
    public void FirstBlock(TimeSpan after) => _firstBlock.Record(after.TotalSeconds);

    public void Dispose() => _meter.Dispose();
}
