using Ipcs.Multiformats;

[assembly: AssemblyFixture(typeof(Ipcs.Dag.Tests.BufferLeakCheck))]

namespace Ipcs.Dag.Tests;

/// <summary>Fails the run when a pooled buffer or context is still rented after all tests.</summary>
public sealed class BufferLeakCheck : IDisposable
{
    public void Dispose() => Assert.Empty(BufferCounts.Outstanding);
}
