namespace Ipcs.Blockstore.Tests;

public sealed class PlaceTests
{
    [Fact]
    public void Runs() => Assert.NotEmpty(typeof(PlaceTests).Assembly.GetName().Name!);
}
