namespace Ipcs.Dag.Gc;

/// <summary>What the garbage collections since the start have come to.</summary>
/// <param name="Runs">Collections that were done.</param>
/// <param name="Failures">Collections that failed or were stopped.</param>
/// <param name="Blocks">Blocks removed, those of a collection under way or stopped too.</param>
/// <param name="Bytes">How long they were together.</param>
/// <param name="LastTime">How long the last one that was done took; zero before the first.</param>
/// <param name="Running">True while one is under way.</param>
public readonly record struct GcTotals(long Runs, long Failures, long Blocks, long Bytes, TimeSpan LastTime, bool Running);
