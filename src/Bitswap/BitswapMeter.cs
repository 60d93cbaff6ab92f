using System.Diagnostics.Metrics;

namespace Ipcs.Bitswap;

/// <summary>What Bitswap measures of itself. Owns the meter.</summary>
internal sealed class BitswapMeter : IDisposable
{
    private readonly Meter _meter = new("ipcs.bitswap");
    private readonly Histogram<double> _firstBlock;

    public BitswapMeter(Func<BitswapStatistics> statistics)
    {
        _firstBlock = _meter.CreateHistogram<double>("first_block", "s", "The time from a session's first want to its first block.");
        Count("blocks_received", null, "Blocks that were wanted and hold their hash.", s => s.BlocksReceived);
        Count("bytes_received", "By", "Their bytes, as they came over the wire.", s => s.BytesReceived);
        Count("blocks_packed", null, "Those of them that came packed.", s => s.CompressedReceived);
        Count("blocks_duplicate", null, "Blocks that came and were not wanted any more.", s => s.DuplicateBlocks);
        Count("bytes_duplicate", "By", "Their bytes.", s => s.DuplicateBytes);
        Count("blocks_sent", null, "Blocks sent.", s => s.BlocksSent);
        Count("bytes_sent", "By", "Their bytes.", s => s.BytesSent);
        Count("messages_received", null, "Messages received.", s => s.MessagesReceived);
        _meter.CreateObservableGauge("wants", () => statistics().Wants, null, "Blocks wanted now.");
        _meter.CreateObservableGauge("peers", () => statistics().Peers, null, "Connected peers that speak Bitswap.");

        void Count(string name, string? unit, string description, Func<BitswapStatistics, long> value) =>
            _meter.CreateObservableCounter(name, () => value(statistics()), unit, description);
    }

    /// <summary>A session has its first block.</summary>
    public void FirstBlock(TimeSpan after) => _firstBlock.Record(after.TotalSeconds);

    public void Dispose() => _meter.Dispose();
}
