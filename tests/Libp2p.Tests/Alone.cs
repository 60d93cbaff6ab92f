namespace Ipcs.Libp2p.Tests;

/// <summary>
/// Tests that measure memory, descriptors or buffers of the process, or use the whole machine: no other test runs in parallel.
/// </summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class Alone
{
    public const string Name = "alone";
}
