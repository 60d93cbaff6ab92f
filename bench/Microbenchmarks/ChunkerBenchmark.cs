using Ipcs.Dag.Chunking;
using Ipcs.Dag.Import;

namespace Ipcs.Microbenchmarks;

/// <summary>The chunkers and the hashing of their blocks, without a store.</summary>
internal static class ChunkerBenchmark
{
    public static async Task RunAsync(string file)
    {
        foreach (string words in new[] { "size-262144", "buzhash", "rabin" })
        {
            ChunkerSpec spec = ChunkerSpec.TryParse(words, out ChunkerSpec? parsed, out string? problem)
                ? parsed
                : throw new FormatException(problem);
            await Row.PrintAsync(
                $"chunker {words}",
                new FileInfo(file).Length,
                () => new ForgetfulStore(),
                store => ImportBenchmark.AddAsync(file, store, ImportProfile.KuboV1 with { Chunker = spec }, digest: false));
        }
    }
}
