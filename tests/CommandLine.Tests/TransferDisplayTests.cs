namespace Ipcs.CommandLine.Tests;

public sealed class TransferDisplayTests
{
    [Theory]
    [InlineData(512, null, 1, "512 B, 512 B/s")]
    [InlineData(1 << 20, null, 2, "1.0 MiB, 512.0 KiB/s")]
    [InlineData(50L << 20, 100L << 20, 5, "50.0 MiB of 100.0 MiB, 10.0 MiB/s, 5 s left")]
    [InlineData(0, 100L << 20, 5, "0 B of 100.0 MiB, 0 B/s")]
    [InlineData(3, 2L, 1, "3 B of 2 B, 3 B/s, 0 s left")]
    public void A_line_has_the_bytes_the_rate_and_the_time_left(long bytes, long? total, int seconds, string expected) =>
        Assert.Equal(expected, TransferDisplay.Line(bytes, total, TimeSpan.FromSeconds(seconds)));
}
