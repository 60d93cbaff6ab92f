namespace Ipcs.Dag.Gc;

/// <summary>Totals of the garbage collections since the start of the process.</summary>
/// <param name="Runs">Collections that completed.</param>
/// <param name="Failures">Collections that failed or were stopped.</param>
/// <param name="Blocks">Blocks removed, including those of running and stopped collections.</param>
/// <param name="Bytes">The sum of their lengths in bytes.</param>
/// <param name="LastTime">The duration of the last completed collection; zero before the first.</param>
/// <param name="Running">True while a collection runs.</param>
public readonly record struct GcTotals(long Runs, long Failures, long Blocks, long Bytes, TimeSpan LastTime, bool Running);
