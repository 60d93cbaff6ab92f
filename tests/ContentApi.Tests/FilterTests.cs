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
    public void Matches(string filter, bool matches) => Assert.Equal(matches, Holds(filter));

    [Fact]
    public void NoneAndAnEmptyOneLetEverythingPass()
    {
        Assert.True(Holds());
        Assert.True(Holds(""));
        Assert.True(Holds("name==bar", ""));
        Assert.True(Holds("name==bar", "name==foo"));
        Assert.False(Holds("name==bar", "name==baz"));
    }

    /// <summary>Whatever the text: parsed or refused by the one exception, and a match that ends.</summary>
    [Fact]
    public void AnyText() => Texts.Sample(text =>
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
    public void WhatIsQuotedIsFound() => Gen.Select(Texts, Texts).Sample((field, value) =>
    {
        ContentFilter filter = ContentFilter.Parse([$"labels.{Quote(field)}=={Quote(value)},labels.{Quote(field)}"]);
        return filter.Matches(path => path[0] == "labels" && path[1] == field ? value : null)
            && !filter.Matches(path => path[1] == field ? value + "x" : null);
    });

    /// <summary>Expressions that take others exponential time.</summary>
    [Fact]
    public void NoExpressionBacktracks()
    {
        ContentFilter filter = ContentFilter.Parse(["name~=/^(a+)+$/"]);
        Assert.False(filter.Matches(_ => new string('a', 100_000) + "b"));
    }

    private static string Quote(string text) =>
        "\"" + text.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal) + "\"";

    private static bool Holds(params string[] filters) =>
        ContentFilter.Parse(filters).Matches(path => Object.GetValueOrDefault(string.Join('/', path)));
}
