using System.Diagnostics.Metrics;

namespace Ipcs.Fleet;

/// <summary>The metrics of fetches. Digests and peers are never tags, since their number is unbounded.</summary>
internal static class FleetMeter
{
    /// <summary>
    /// The meter's name, which precedes the instrument's name in Prometheus. The meters of all projects begin with <c>ipcs</c>.
    /// </summary>
    public const string Name = "ipcs";

    private static readonly Meter Meter = new(Name);

    private static readonly Histogram<double> WaitSeconds = Meter.CreateHistogram<double>(
        "fetch_wait", "s", "How long a Write waited for the fleet, by outcome: fetched, absent, or cancelled.");

    private static readonly Counter<long> FetchedContents = Meter.CreateCounter<long>(
        "fetch_contents", null, "Contents fetched completely from the fleet.");

    private static readonly Counter<long> FetchedBytes = Meter.CreateCounter<long>("fetch_bytes", "By", "Bytes of the fetched contents.");

    private static readonly Histogram<double> FetchSeconds = Meter.CreateHistogram<double>("fetch_time", "s", "How long a fetch took.");

    /// <summary>Records the outcome of a wait for a content, and how long it took.</summary>
    public static void Waited(string outcome, TimeSpan waited) =>
        WaitSeconds.Record(waited.TotalSeconds, new KeyValuePair<string, object?>("outcome", outcome));

    /// <summary>Records a content that was fetched completely and verified.</summary>
    public static void Fetched(long bytes, TimeSpan took)
    {
        FetchedContents.Add(1);
        FetchedBytes.Add(bytes);
        FetchSeconds.Record(took.TotalSeconds);
    }
}
