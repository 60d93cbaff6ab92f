using System.Diagnostics.Metrics;

namespace Ipcs.Libp2p.Swarm;

/// <summary>What a host measures of itself, looked up when somebody asks. Owns the meter.</summary>
internal sealed class SwarmMeter : IDisposable
{
    private readonly Meter _meter = new("ipcs.swarm");

    public SwarmMeter(Func<HostStatistics> statistics)
    {
        Count("bytes_received", "By", "Bytes that came over connections, ciphers and frames included.", s => s.BytesReceived);
        Count("bytes_sent", "By", "Bytes that went over connections, ciphers and frames included.", s => s.BytesSent);
        Count("dials_failed", null, "Addresses that were dialled and gave no connection.", s => s.FailedDials);
        Count("handshakes_refused", null, "Connections from others that a limit has turned away.", s => s.RefusedHandshakes);
        Show("connections", null, "Open connections.", s => s.Connections);
        Show("streams", null, "Open streams, both ways.", s => s.Streams);
        Show("handshakes", null, "Handshakes under way from others.", s => s.PendingInbound);
        Show("buffered", "By", "Bytes that wait to be read.", s => s.BufferedBytes);

        void Count(string name, string? unit, string description, Func<HostStatistics, long> value) =>
            _meter.CreateObservableCounter(name, () => value(statistics()), unit, description);
        void Show(string name, string? unit, string description, Func<HostStatistics, long> value) =>
            _meter.CreateObservableGauge(name, () => value(statistics()), unit, description);
    }

    public void Dispose() => _meter.Dispose();
}
