using System.Collections.Concurrent;
using Ipcs.ContentApi;
using Ipcs.Multiformats;

namespace Ipcs.Node.Tests.Repo;

/// <summary>Ingests whose roots the tests say.</summary>
internal sealed class FakeIngests : IContentIngests
{
    public ConcurrentDictionary<object, Func<IReadOnlyList<Cid>>> Open { get; } = new();

    public IReadOnlyCollection<Cid> HeldRoots() => [.. Open.Values.SelectMany(roots => roots())];
}
