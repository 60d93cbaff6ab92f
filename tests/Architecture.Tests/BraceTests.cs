using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace Ipcs.Architecture.Tests;

/// <summary>Bodies of control flow are in braces, in the product, its tests and its benchmarks.</summary>
public sealed class BraceTests
{
    [Theory]
    [InlineData("src")]
    [InlineData("tests")]
    [InlineData("bench")]
    public void Bodies_of_control_flow_are_in_braces(string folder)
    {
        IEnumerable<string> found =
            from path in Directory.EnumerateFiles(Path.Combine(Projects.Root, folder), "*.cs", SearchOption.AllDirectories)
            let file = Path.GetRelativePath(Projects.Root, path).Replace(Path.DirectorySeparatorChar, '/')
            where !file.Contains("/obj/", StringComparison.Ordinal) && !file.Contains("/bin/", StringComparison.Ordinal)
            from line in LinesWithoutBraces(File.ReadAllText(path))
            select $"{file}:{line}";
        Assert.Empty(found);
    }

    [Fact]
    public void Bodies_without_braces_are_found()
    {
        const string Code = """
            class C
            {
                void M(int[] x)
                {
                    if (x is null)
                        return;
                    else if (x.Length > 1) { return; }
                    else
                        M(x);
                    foreach (int i in x)
                        while (true)
                        {
                        }
                    using (null)
                    using (null)
                    {
                    }
                }
            }
            """;
        Assert.Equal([6, 9, 11], LinesWithoutBraces(Code));
    }

    private static IEnumerable<int> LinesWithoutBraces(string text) =>
        from statement in CSharpSyntaxTree.ParseText(text).GetRoot().DescendantNodes().OfType<StatementSyntax>()
        where statement is not BlockSyntax && IsBody(statement)
        select statement.GetLocation().GetLineSpan().StartLinePosition.Line + 1;

    private static bool IsBody(StatementSyntax statement) => statement.Parent switch
    {
        IfStatementSyntax or ForStatementSyntax or CommonForEachStatementSyntax or WhileStatementSyntax or DoStatementSyntax => true,
        LockStatementSyntax => true,
        ElseClauseSyntax => statement is not IfStatementSyntax,
        UsingStatementSyntax => statement is not UsingStatementSyntax,
        FixedStatementSyntax => statement is not FixedStatementSyntax,
        _ => false,
    };
}
