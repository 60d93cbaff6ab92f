using System.Diagnostics.Metrics;

namespace Ipcs.Node.Listeners;

/// <summary>
/// Metrics that are read from the daemon's parts at each scrape. No tag is a digest or a peer, so the series are bounded.
/// </summary>
internal static class NodeMeter
{
    /// <summary>The meter. Its name is the prefix of the names that Prometheus shows.</summary>
    private static readonly Meter Meter = new("ipcs");

    /// <summary>Adds a gauge.</summary>
    public static void Observe<T>(string name, string? unit, string description, Func<T> value)
        where T : struct =>
        Meter.CreateObservableGauge(name, value, unit, description);

    /// <summary>Adds a counter.</summary>
    public static void Count(string name, string? unit, string description, Func<long> value) =>
        Meter.CreateObservableCounter(name, value, unit, description);
}
