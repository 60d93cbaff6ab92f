namespace Ipcs.Libp2p.Tests;

/// <summary>Tests that count memory and descriptors, or need the whole machine: no other runs beside them.</summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class Alone
{
    public const string Name = "alone";
}
