using System.Diagnostics.Metrics;

namespace Ipcs.Libp2p.Swarm;

/// <summary>Publishes a host's statistics as metrics, read when a listener asks. Owns the meter.</summary>
internal sealed class SwarmMeter : IDisposable
{
    private readonly Meter _meter = new("ipcs.swarm");

    public SwarmMeter(Func<HostStatistics> statistics)
    {
        Count("bytes_received", "By", "Bytes received over connections, encryption and framing included.", s => s.BytesReceived);
        Count("bytes_sent", "By", "Bytes sent over connections, encryption and framing included.", s => s.BytesSent);
        Count("dials_failed", null, "Dials that ended without a connection.", s => s.FailedDials);
        Count("handshakes_refused", null, "Inbound connections refused by a limit.", s => s.RefusedHandshakes);
        Count("closed_for_room", null, "Connections closed to make room for others.", s => s.ClosedForRoom);
        Show("connections", null, "Open connections.", s => s.Connections);
        Show("streams", null, "Open streams, inbound and outbound.", s => s.Streams);
        Show("handshakes", null, "Inbound handshakes in progress.", s => s.PendingInbound);
        Show("buffered", "By", "Bytes in receive buffers.", s => s.BufferedBytes);

        void Count(string name, string? unit, string description, Func<HostStatistics, long> value) =>
            _meter.CreateObservableCounter(name, () => value(statistics()), unit, description);
        void Show(string name, string? unit, string description, Func<HostStatistics, long> value) =>
            _meter.CreateObservableGauge(name, () => value(statistics()), unit, description);
    }

    public void Dispose() => _meter.Dispose();
}
