using System.Diagnostics;

namespace Ipcs.Multiformats.Tests;

public sealed class IpcsActivityTests
{
    [Fact]
    public void A_span_that_nobody_listens_to_is_null_and_allocates_nothing()
    {
        Assert.Null(IpcsActivity.Source.StartActivity("warm-up"));
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 1000; i++)
        {
            using Activity? span = IpcsActivity.Source.StartActivity("span");
            span?.SetTag("bytes", i);
        }

        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
    }
}
