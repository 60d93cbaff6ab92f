namespace Ipcs.Libp2p.Perf;

/// <summary>How long each direction took.</summary>
/// <param name="Upload">The time until the peer had received all bytes.</param>
/// <param name="Download">The time until all bytes of the peer had arrived here.</param>
public readonly record struct PerfResult(TimeSpan Upload, TimeSpan Download);
