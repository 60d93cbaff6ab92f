using System.Diagnostics.Metrics;

namespace Ipcs.Fleet;

/// <summary>What the daemon measures of itself: the door, the fetches, the store. Never a digest or a peer as a tag.</summary>
internal static class FleetMeter
{
    /// <summary>The meter's name; every project's begins with <c>ipcs</c>, and Prometheus sees it before the instrument's.</summary>
    public const string Name = "ipcs";

    private static readonly Meter Meter = new(Name);

    private static readonly Histogram<double> InfoSeconds = Meter.CreateHistogram<double>(
        "info_wait", "s", "How long an Info waited for the fleet, by what came of it: found, absent, or late (past its budget).");

    private static readonly Counter<long> FetchedContents = Meter.CreateCounter<long>("fetch_contents", null, "Contents fetched from the fleet whole.");

    private static readonly Counter<long> FetchedBytes = Meter.CreateCounter<long>("fetch_bytes", "By", "Their bytes.");

    private static readonly Histogram<double> FetchSeconds = Meter.CreateHistogram<double>("fetch_time", "s", "How long a fetch took.");

    /// <summary>An Info has its answer.</summary>
    public static void Info(string outcome, TimeSpan waited) => InfoSeconds.Record(waited.TotalSeconds, new KeyValuePair<string, object?>("outcome", outcome));

    /// <summary>A content is here, whole and checked.</summary>
    public static void Fetched(long bytes, TimeSpan took)
    {
        FetchedContents.Add(1);
        FetchedBytes.Add(bytes);
        FetchSeconds.Record(took.TotalSeconds);
    }
}
