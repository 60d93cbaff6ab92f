using System.Diagnostics.Metrics;

namespace Ipcs.Node.Listeners;

/// <summary>Figures of the daemon's parts that are looked up when a scraper asks. Never a digest or a peer as a tag.</summary>
internal static class NodeMeter
{
    /// <summary>The meter's name; every project's begins with <c>ipcs</c>, and Prometheus sees it before the instrument's.</summary>
    private static readonly Meter Meter = new("ipcs");

    /// <summary>Adds a gauge.</summary>
    public static void Observe<T>(string name, string? unit, string description, Func<T> value)
        where T : struct =>
        Meter.CreateObservableGauge(name, value, unit, description);

    /// <summary>Adds a counter, which only grows.</summary>
    public static void Count(string name, string? unit, string description, Func<long> value) =>
        Meter.CreateObservableCounter(name, value, unit, description);
}
