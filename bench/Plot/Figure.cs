namespace Ipcs.Bench.Plot;

/// <summary>What one benchmark measured, as it lies in artifacts/bench/NAME.json.</summary>
/// <param name="Title">Over the picture.</param>
/// <param name="Unit">What the bars count, such as <c>MB/s</c> or <c>seconds</c>.</param>
/// <param name="Rows">The groups of bars, in order.</param>
/// <param name="Series">For each thing that was measured, one figure per row; null where there is none.</param>
internal sealed record Figure(string Title, string Unit, IReadOnlyList<string> Rows, IReadOnlyDictionary<string, IReadOnlyList<double?>> Series);
