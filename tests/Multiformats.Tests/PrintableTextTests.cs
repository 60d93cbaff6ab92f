namespace Ipcs.Multiformats.Tests;

public sealed class PrintableTextTests
{
    [Theory]
    [InlineData("", "")]
    [InlineData("a name, äöü, 日本, 😀", "a name, äöü, 日本, 😀")]
    [InlineData("\x1b[31mred", "\\x1b[31mred")]
    [InlineData("a\r\nb\tc\0", "a\\x0d\\x0ab\\x09c\\x00")]
    [InlineData("\x7f\u0080\u009b31m", "\\x7f\\x80\\x9b31m")]
    [InlineData("a\u2028b\u202ec\u2066", "a\\u2028b\\u202ec\\u2066")]
    public void What_a_terminal_would_act_on_is_escaped(string text, string escaped) => Assert.Equal(escaped, PrintableText.Escape(text));

    [Fact]
    public void Half_a_surrogate_pair_is_replaced() =>
        Assert.Equal("a\ufffd\ufffdb😀\ufffd", PrintableText.Escape("a\udc00\ud800b😀\ud83d"));
}
