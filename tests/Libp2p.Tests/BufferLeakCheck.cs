using System.Diagnostics;
using Ipcs.Multiformats;

[assembly: AssemblyFixture(typeof(Ipcs.Libp2p.Tests.BufferLeakCheck))]

namespace Ipcs.Libp2p.Tests;

/// <summary>Fails the run when a pooled buffer is still rented after all tests have closed their hosts, connections and streams.</summary>
public sealed class BufferLeakCheck : IAsyncDisposable
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(10);

    public ValueTask DisposeAsync() => AssertNoneAsync();

    /// <summary>Waits until no pooled buffer is rented.</summary>
    public static async ValueTask AssertNoneAsync()
    {
        long start = Stopwatch.GetTimestamp();
        while (BufferCounts.Outstanding.Count > 0)
        {
            string rented = string.Join(", ", BufferCounts.Outstanding);
            Assert.True(Stopwatch.GetElapsedTime(start) < Limit, $"buffers are still rented: {rented}");
            await Task.Delay(10);
        }
    }
}
