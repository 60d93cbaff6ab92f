using CsCheck;
using Ipcs.Libp2p.Swarm;
using Ipcs.Node.Daemon;
using Ipcs.Node.Native;

namespace Ipcs.Node.Tests.Daemon;

/// <summary>How many connections the limit on descriptors allows.</summary>
public sealed class DescriptorBudgetTests
{
    private const int StoreFiles = 512;

    [Theory]
    [InlineData(ulong.MaxValue, 512, 2048)]
    [InlineData(65_536, 512, 2048)]
    [InlineData(4096, 512, 2048)]
    [InlineData(2048, 512, 800)]
    [InlineData(1024, 256, 320)]
    [InlineData(256, 64, 80)]
    [InlineData(1, 1, 1)]
    public void The_connections_have_what_the_store_and_the_reserve_leave(ulong descriptors, int files, int connections)
    {
        DescriptorBudget budget = DescriptorBudget.Of(descriptors, StoreFiles, new HostLimits());
        Assert.Equal((files, connections), (budget.StoreFiles, budget.Limits.MaxConnections));
    }

    [Fact]
    public void Limits_that_fit_stay_as_they_are()
    {
        var limits = new HostLimits { MaxConnections = 100, MaxPendingInbound = 10, MaxPendingOutbound = 5 };
        Assert.Equal(new DescriptorBudget(StoreFiles, limits), DescriptorBudget.Of(2048, StoreFiles, limits));
    }

    [Fact]
    public void No_more_is_shared_out_than_there_is() => Gen.Select(Gen.Int[16, 100_000], Gen.Int[1, 10_000], Gen.Int[1, 100_000]).Sample(
        (descriptors, pending, most) =>
        {
            var limits = new HostLimits { MaxConnections = most, MaxPendingInbound = pending, MaxPendingOutbound = pending };
            (int files, HostLimits fitting) = DescriptorBudget.Of((ulong)descriptors, StoreFiles, limits);
            Assert.InRange(
                files + fitting.MaxConnections + fitting.MaxPendingInbound + fitting.MaxPendingOutbound,
                4,
                descriptors - Math.Min(384, descriptors / 4));
            Assert.True(fitting.MaxConnections <= most, "a limit is never raised");
        });

    [Fact]
    public void The_soft_limit_is_raised_to_the_hard_one()
    {
        ulong limit = DescriptorLimit.Raise();
        string line = File.ReadLines("/proc/self/limits").Single(l => l.StartsWith("Max open files", StringComparison.Ordinal));
        string[] words = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal([words[4], words[4]], [words[3], limit == ulong.MaxValue ? "unlimited" : $"{limit}"]);
    }
}
