namespace Ipcs.Architecture.Tests;

/// <summary>Text for people is written by one class, which escapes what is inserted into it.</summary>
public sealed class OutputTests
{
    /// <summary>The class itself, and what replaces standard output before the first command.</summary>
    private static readonly string[] Allowed = ["src/CommandLine/Terminal.cs", "src/CommandLine/Cli.cs: Console.SetOut("];

    [Theory]
    [InlineData("CommandLine")]
    [InlineData("Node")]
    public void Only_one_class_writes_to_the_console(string project)
    {
        IEnumerable<string> found =
            from source in Projects.Sources(project)
            from line in source.Lines
            where line.Contains("Console.Out", StringComparison.Ordinal)
                || line.Contains("Console.Error", StringComparison.Ordinal)
                || line.Contains("Console.Write", StringComparison.Ordinal)
                || line.Contains("Console.SetOut", StringComparison.Ordinal)
            let place = $"{source.File}: {line.Trim()}"
            where !Allowed.Any(a => place.StartsWith(a, StringComparison.Ordinal))
            select place;
        Assert.Empty(found);
    }
}
