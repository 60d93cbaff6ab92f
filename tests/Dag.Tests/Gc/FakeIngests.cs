using System.Collections.Concurrent;
using Ipcs.Dag.Gc;
using Ipcs.Multiformats;

namespace Ipcs.Dag.Tests.Gc;

/// <summary>Ingests with roots set by tests.</summary>
internal sealed class FakeIngests : IIngestRoots
{
    public ConcurrentDictionary<object, Func<IReadOnlyList<Cid>>> Open { get; } = new();

    public IReadOnlyCollection<Cid> LeasedRoots() => [.. Open.Values.SelectMany(roots => roots())];
}
