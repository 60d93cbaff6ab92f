using System.Text.Json.Nodes;

namespace Ipcs.CommandLine.Tests;

public sealed class ContainerdCommandsTests
{
    [Theory]
    [InlineData("""{"warning":"a is true"}""", "warning: a is true")]
    [InlineData(
        """{"namespace":"k8s.io","digest":"sha256:1","size":7,"problem":"missing","reason":"not here","images":["a:v1","b:v1"]}""",
        "k8s.io\tsha256:1\t7\tmissing: not here\ta:v1, b:v1")]
    [InlineData(
        """{"namespace":null,"digest":"sha256:1","size":7,"problem":"unrecorded","reason":"kept","fix":"released"}""",
        "-\tsha256:1\t7\tunrecorded: kept (left to the next garbage collection)\t")]
    [InlineData(
        """{"namespace":"default","digest":"sha256:1","size":7,"problem":"missing","reason":"not here","error":"no \u001b answer"}""",
        "default\tsha256:1\t7\tmissing: not here (not put right: no \\x1b answer)\t")]
    [InlineData(
        """{"contents":3,"namespaces":2,"differences":1,"left":0,"pull":[{"namespace":"default","image":"a:v1"}]}""",
        "pull again: a:v1 (namespace default)\n3 contents in 2 namespaces: 1 differences, 0 left")]
    [InlineData("""{"contents":3,"namespaces":2,"differences":0,"left":0,"pull":[]}""", "3 contents in 2 namespaces: no differences")]
    public void A_document_of_a_check_is_a_line(string document, string text) =>
        Assert.Equal(text, string.Join('\n', ContainerdCommands.Lines(JsonNode.Parse(document)!)));
}
