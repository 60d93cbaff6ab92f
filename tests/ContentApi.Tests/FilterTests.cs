using CsCheck;
using Ipcs.ContentApi.Filters;

namespace Ipcs.ContentApi.Tests;

/// <summary>containerd's filter syntax.</summary>
public sealed class FilterTests
{
    private static readonly Dictionary<string, string> Object = new(StringComparer.Ordinal)
    {
        ["name"] = "foo",
        ["labels/foo"] = "true",
        ["labels/bar"] = "baz",
        ["labels/with spaces"] = "a b",
        ["labels/a.b/c"] = "x,y",
        ["empty"] = "",
    };

    private static readonly Gen<string> Texts = Gen.String[Gen.Char["ab.,=!~\"\\/| \tné0_-"], 0, 20];

    [Theory]
    [InlineData("name==foo", true)]
    [InlineData("name == foo", true)]
    [InlineData(" name=='foo'", false)]
    [InlineData("name==\"foo\"", true)]
    [InlineData("name!=foo", false)]
    [InlineData("name!=bar", true)]
    [InlineData("absent!=bar", true)]
    [InlineData("absent==bar", false)]
    [InlineData("absent", false)]
    [InlineData("name", true)]
    [InlineData("empty", true)]
    [InlineData("empty==\"\"", true)]
    [InlineData("labels.foo", true)]
    [InlineData("labels.bar==baz", true)]
    [InlineData("labels.bar==baz,name==foo", true)]
    [InlineData("labels.bar==baz,name==bar", false)]
    [InlineData("labels.bar~=/^b.z$/", true)]
    [InlineData("labels.bar~=|a|", true)]
    [InlineData("labels.bar~=\"^z\"", false)]
    [InlineData("labels.bar~=b.*", true)]
    [InlineData("labels.\"with spaces\"==\"a b\"", true)]
    [InlineData("labels.\"a.b/c\"==\"x,y\"", true)]
    [InlineData("labels.\"a.b/c\"==\"x\\x2cy\"", true)]
    [InlineData("labels.\"a.b/c\"==\"\\170\\u002c\\U00000079\"", true)]
    [InlineData("\"name\"==\"f\\157o\"", true)]
    [InlineData("name~=/(?P<x>o)+/", true)]
    public void A_filter_matches_by_its_selectors(string filter, bool matches) => Assert.Equal(matches, Holds(filter));

    [Fact]
    public void Every_object_passes_no_filter_and_an_empty_one()
    {
        Assert.True(Holds());
        Assert.True(Holds(""));
        Assert.True(Holds("name==bar", ""));
        Assert.True(Holds("name==bar", "name==foo"));
        Assert.False(Holds("name==bar", "name==baz"));
    }

    /// <summary>Any text is parsed or refused with a <see cref="FormatException"/>, and matching ends.</summary>
    [Fact]
    public void Any_text_is_parsed_or_refused() => Texts.Sample(text =>
    {
        try
        {
            Holds(text);
            return true;
        }
        catch (FormatException e)
        {
            return e.Message.Length > 0;
        }
    });

    [Fact]
    public void Quoted_fields_and_values_match() => Gen.Select(Texts, Texts).Sample((field, value) =>
    {
        ContentFilter filter = ContentFilter.Parse([$"labels.{Quote(field)}=={Quote(value)},labels.{Quote(field)}"]);
        return filter.Matches(path => path[0] == "labels" && path[1] == field ? value : null)
            && !filter.Matches(path => path[1] == field ? value + "x" : null);
    });

    /// <summary>An expression on which backtracking takes exponential time.</summary>
    [Fact]
    public void No_expression_backtracks()
    {
        ContentFilter filter = ContentFilter.Parse(["name~=/^(a+)+$/"]);
        Assert.False(filter.Matches(_ => new string('a', 100_000) + "b"));
    }

    private static string Quote(string text) =>
        "\"" + text.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal) + "\"";

    private static bool Holds(params string[] filters) =>
        ContentFilter.Parse(filters).Matches(path => Object.GetValueOrDefault(string.Join('/', path)));
}
