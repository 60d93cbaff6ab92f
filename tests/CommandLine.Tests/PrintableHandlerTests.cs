using System.Text.Json.Nodes;

namespace Ipcs.CommandLine.Tests;

public sealed class PrintableHandlerTests
{
    [Fact]
    public void Inserted_values_are_escaped_and_literal_parts_are_not()
    {
        JsonNode document = new JsonObject { ["Name"] = "a\x1b[31m\nb\tc\u009b" };
        Assert.Equal("1\ta\\x1b[31m\\x0ab\\x09c\\x9b\n", Text($"{1}\t{document["Name"]}\n"));
    }

    [Fact]
    public void Alignment_format_and_null_are_those_of_any_interpolated_string()
    {
        JsonNode? nothing = null;
        Assert.Equal("[    7] [7    ] [ 1.5] [] [a   ]", Text($"[{7,5}] [{7,-5}] [{1.49,4:F1}] [{nothing}] [{"a",-4}]"));
    }

    private static string Text(PrintableHandler text) => text.ToString();
}
