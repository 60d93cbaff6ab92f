using System.Diagnostics;

namespace Ipcs.Multiformats;

/// <summary>
/// The source of all tracing spans: <c>pull</c>, and what a pull consists of. Without a listener
/// <see cref="ActivitySource.StartActivity(string, ActivityKind)"/> returns null and allocates nothing.
/// </summary>
public static class IpcsActivity
{
    /// <summary>The name by which a listener finds the source.</summary>
    public const string Name = "ipcs";

    /// <summary>The source. Set tags by <c>span?.SetTag</c>, so that their values are not computed when nobody listens.</summary>
    public static ActivitySource Source { get; } = new(Name);
}
