namespace Ipcs.CommandLine.Tests;

public sealed class LastResortTests
{
    [Fact]
    public async Task A_defect_is_one_line_with_the_method_and_exit_1()
    {
        int status = await LastResort.RunAsync(() => throw new InvalidOperationException("a\n\x1b[31mdefect"));
        Assert.Equal(1, status);
        InvalidOperationException e = await Assert.ThrowsAsync<InvalidOperationException>(
            () => throw new InvalidOperationException("a\n\x1b[31mdefect"));
        Assert.StartsWith(
            "internal error: InvalidOperationException: a\n\x1b[31mdefect (at Ipcs.",
            LastResort.Describe(e),
            StringComparison.Ordinal);
    }

    [Fact]
    public void An_exception_that_was_never_thrown_has_no_method() =>
        Assert.Equal("internal error: IOException: x", LastResort.Describe(new IOException("x")));
}
