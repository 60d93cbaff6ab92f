namespace Ipcs.Bench.Plot;

/// <summary>The results of one benchmark, read from artifacts/bench/NAME.json.</summary>
/// <param name="Title">Title of the plot.</param>
/// <param name="Unit">Unit of the bars, such as <c>MB/s</c> or <c>seconds</c>.</param>
/// <param name="Rows">Names of the groups of bars, in order.</param>
/// <param name="Series">For each series, one value per group; null where it has none.</param>
internal sealed record Figure(
    string Title, string Unit, IReadOnlyList<string> Rows, IReadOnlyDictionary<string, IReadOnlyList<double?>> Series);
