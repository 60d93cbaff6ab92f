using Ipcs.Blockstore.Memory;
using Ipcs.Dag.Car;
using Ipcs.TestKit;

namespace Ipcs.Dag.Tests.Car;

/// <summary>
/// Mutations of the seeds in tests/Fuzz/dag.txt: read, or refused with the documented exception, and no false block
/// is stored.
/// </summary>
public sealed class CarMutationTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public void Archives_are_read_or_refused() => Corpus.Try("dag.txt", "car", bytes =>
    {
        using var store = new MemoryStore();
        try
        {
            CarImport import = CarReader.ReadAsync(new MemoryStream(bytes), store.Blocks, Token).GetAwaiter().GetResult();
            Assert.InRange(import.Blocks, 0, bytes.Length);
        }
        catch (DagFormatException)
        {
            // Refused.
        }
    });
}
