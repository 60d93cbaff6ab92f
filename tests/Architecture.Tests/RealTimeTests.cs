using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace Ipcs.Architecture.Tests;

/// <summary>
/// Time and randomness are passed in: the product uses the system's clock, waits by it, and the shared generator only in the places that
/// <see cref="Allowed"/> lists.
/// </summary>
public sealed class RealTimeTests
{
    /// <summary>Each file with the uses that it may have, and why.</summary>
    private static readonly Dictionary<string, string[]> Allowed = new(StringComparer.Ordinal)
    {
        // The program's only clock, which it passes to the command line and to the daemon.
        ["src/Node/Program.cs"] = ["TimeProvider.System"],
        // The daemon's only generator: every part gets its seed from it.
        ["src/Node/Commands/DaemonCommand.cs"] = ["new Random()"],
    };

    /// <summary>Static members that read the system's clock or the shared generator.</summary>
    private static readonly HashSet<string> Members = new(StringComparer.Ordinal)
    {
        "TimeProvider.System",
        "Random.Shared",
        "Environment.TickCount",
        "Environment.TickCount64",
        "Stopwatch.GetTimestamp",
        "Stopwatch.GetElapsedTime",
        "Stopwatch.StartNew",
        "DateTime.Now",
        "DateTime.Today",
        "DateTime.UtcNow",
        "DateTimeOffset.Now",
        "DateTimeOffset.UtcNow",
        "Thread.Sleep",
    };

    /// <summary>Methods of the library that wait by the system's clock when they get a time and no <see cref="TimeProvider"/>.</summary>
    private static readonly HashSet<string> Waits = new(StringComparer.Ordinal)
    {
        "CancelAfter", "Delay", "SpinUntil", "TryEnter", "Wait", "WaitAll", "WaitAny", "WaitAsync", "WaitForExit", "WaitOne",
    };

    /// <summary>Types of the library whose constructors start a timer.</summary>
    private static readonly HashSet<string> Timers = new(StringComparer.Ordinal)
    {
        "System.Threading.CancellationTokenSource", "System.Threading.PeriodicTimer", "System.Threading.Timer", "System.Timers.Timer",
    };

    /// <summary>The assemblies of the runtime, to which the sources are bound. The others are not needed to find these uses.</summary>
    private static readonly Lazy<MetadataReference[]> Library = new(() =>
    [
        .. ((string)AppContext.GetData("TRUSTED_PLATFORM_ASSEMBLIES")!).Split(Path.PathSeparator)
            .Select(file => MetadataReference.CreateFromFile(file)),
    ]);

    private const string Usings = """
        global using System;
        global using System.Collections.Generic;
        global using System.IO;
        global using System.Linq;
        global using System.Net.Http;
        global using System.Threading;
        global using System.Threading.Tasks;
        """;

    [Fact]
    public void The_product_uses_the_clock_and_the_generator_that_it_is_given()
    {
        (string, string)[] sources =
        [
            .. from project in Projects.Names
               from source in Projects.Sources(project)
               select (source.File.Replace(Path.DirectorySeparatorChar, '/'), string.Join('\n', source.Lines)),
        ];
        (string File, int Line, string Name)[] uses = [.. Uses(sources)];
        Assert.Empty(
            from use in uses
            where !(Allowed.TryGetValue(use.File, out string[]? names) && names.Contains(use.Name))
            select $"{use.File}:{use.Line}: {use.Name}");

        // A place that needs its exception no longer is removed from the list.
        Assert.Empty(
            from place in Allowed
            from name in place.Value
            where !uses.Any(use => use.File == place.Key && use.Name == name)
            select $"{place.Key}: {name}");
    }

    [Theory]
    [InlineData("DateTimeOffset M() => TimeProvider.System.GetUtcNow();", "TimeProvider.System")]
    [InlineData("DateTime M() => System.DateTime.UtcNow;", "DateTime.UtcNow")]
    [InlineData("int M() => Random.Shared.Next();", "Random.Shared")]
    [InlineData("int M() => new Random().Next();", "new Random()")]
    [InlineData("Random _r = new();", "new Random()")]
    [InlineData("long M() => Environment.TickCount64;", "Environment.TickCount64")]
    [InlineData("System.Diagnostics.Stopwatch _s = new();", "new Stopwatch()")]
    [InlineData("object M() => System.Diagnostics.Stopwatch.StartNew();", "Stopwatch.StartNew")]
    [InlineData("Task M(CancellationToken c) => Task.Delay(Limit, c);", "Delay")]
    [InlineData("Task M() => Task.Delay(100);", "Delay")]
    [InlineData("Task M(Task t) => t.WaitAsync(Limit);", "WaitAsync")]
    [InlineData("Task M(SemaphoreSlim s) => s.WaitAsync(Limit, default);", "WaitAsync")]
    [InlineData("bool M(SemaphoreSlim s) => s.Wait(5);", "Wait")]
    [InlineData("object M() => new CancellationTokenSource(Limit);", "new CancellationTokenSource()")]
    [InlineData("object M() => new PeriodicTimer(Limit);", "new PeriodicTimer()")]
    [InlineData("void M() { using var c = new CancellationTokenSource(); c.CancelAfter(Limit); }", "CancelAfter")]
    [InlineData("void M(CancellationTokenSource c) => c.CancelAfter(Limit);", "CancelAfter")]
    public void A_use_is_found(string member, string name) =>
        Assert.Equal([name], Uses([("C.cs", Code(member))]).Select(use => use.Name));

    [Theory]
    [InlineData("int M() => new Random(5).Next();")]
    [InlineData("Task M() => Task.Delay(Limit, Time);")]
    [InlineData("Task M(CancellationToken c) => Task.Delay(Timeout.Infinite, c);")]
    [InlineData("Task M(Task t) => t.WaitAsync(Limit, Time);")]
    [InlineData("Task M(SemaphoreSlim s, CancellationToken c) => s.WaitAsync(c);")]
    [InlineData("bool M(SemaphoreSlim s) => s.Wait(0);")]
    [InlineData("object M() => new CancellationTokenSource(Limit, Time);")]
    [InlineData("object M() => new CancellationTokenSource();")]
    [InlineData("object M() => new PeriodicTimer(Limit, Time);")]
    [InlineData("void M() { using var c = new CancellationTokenSource(Limit, Time); c.CancelAfter(Limit); }")]
    [InlineData("void M(Deadline d) => d.CancelAfter(Limit); class Deadline : CancellationTokenSource { }")]
    [InlineData("void M() => WaitAsync(Limit); void WaitAsync(TimeSpan t) { }")]
    [InlineData("string M() => nameof(DateTime.UtcNow); // TimeProvider.System")]
    public void What_is_given_a_clock_is_no_use(string member) => Assert.Empty(Uses([("C.cs", Code(member))]));

    private static string Code(string member) =>
        $"class C {{ static readonly TimeSpan Limit = TimeSpan.FromSeconds(1); TimeProvider Time {{ get; set; }} {member} }}";

    /// <summary>The uses of the system's clock and generator in sources that are compiled as one.</summary>
    private static IEnumerable<(string File, int Line, string Name)> Uses(IReadOnlyList<(string File, string Text)> sources)
    {
        SyntaxTree[] trees = [.. sources.Select(source => CSharpSyntaxTree.ParseText(source.Text, path: source.File))];
        CSharpCompilation compilation = CSharpCompilation.Create("Product", [CSharpSyntaxTree.ParseText(Usings), .. trees], Library.Value);
        return
            from tree in trees
            let model = new Lazy<SemanticModel>(() => compilation.GetSemanticModel(tree))
            from node in tree.GetRoot().DescendantNodes()
            let name = node switch
            {
                MemberAccessExpressionSyntax member => Member(member),
                InvocationExpressionSyntax call => Wait(call, model),
                BaseObjectCreationExpressionSyntax creation => Creation(creation, model),
                _ => null,
            }
            where name is not null
            select (tree.FilePath, node.GetLocation().GetLineSpan().StartLinePosition.Line + 1, name);
    }

    private static string? Member(MemberAccessExpressionSyntax member)
    {
        string type = member.Expression is MemberAccessExpressionSyntax qualified
            ? qualified.Name.Identifier.ValueText
            : member.Expression.ToString();
        string name = $"{type}.{member.Name.Identifier.ValueText}";
        return Members.Contains(name) && !IsInNameof(member) ? name : null;
    }

    private static bool IsInNameof(SyntaxNode node) =>
        node.Ancestors().OfType<InvocationExpressionSyntax>().Any(call => call.Expression.ToString() == "nameof");

    private static string? Wait(InvocationExpressionSyntax call, Lazy<SemanticModel> model)
    {
        SimpleNameSyntax? name = call.Expression switch
        {
            MemberAccessExpressionSyntax member => member.Name,
            MemberBindingExpressionSyntax member => member.Name,
            SimpleNameSyntax simple => simple,
            _ => null,
        };
        if (name is null || !Waits.Contains(name.Identifier.ValueText) || !HasTimeOnly(call.ArgumentList, model.Value))
        {
            return null;
        }

        SymbolInfo method = model.Value.GetSymbolInfo(call);
        bool ours = (method.Symbol ?? method.CandidateSymbols.FirstOrDefault())?.Locations.Any(l => l.IsInSource) ?? false;
        return ours || (call.Expression is MemberAccessExpressionSyntax { Expression: var source } && HasClock(source, model.Value))
            ? null
            : name.Identifier.ValueText;
    }

    /// <summary>
    /// True for a token source with a clock of its own: of a derived type, such as a deadline, or a variable that was created with a clock.
    /// </summary>
    private static bool HasClock(ExpressionSyntax source, SemanticModel model)
    {
        if (model.GetTypeInfo(source).Type is { BaseType.Name: "CancellationTokenSource" })
        {
            return true;
        }

        return model.GetSymbolInfo(source).Symbol?.DeclaringSyntaxReferences.Select(r => r.GetSyntax()).OfType<VariableDeclaratorSyntax>()
            .Any(v => v.Initializer?.Value is BaseObjectCreationExpressionSyntax { ArgumentList: { } created }
                && created.Arguments.Any(a => IsClock(a, model))) ?? false;
    }

    private static string? Creation(BaseObjectCreationExpressionSyntax creation, Lazy<SemanticModel> model)
    {
        // Most creations name a type that is none of these, and need not be bound.
        string? written = (creation as ObjectCreationExpressionSyntax)?.Type.ToString().Split('.')[^1];
        if (written is not (null or "Random" or "Stopwatch" or "CancellationTokenSource" or "PeriodicTimer" or "Timer"))
        {
            return null;
        }

        ITypeSymbol? type = model.Value.GetTypeInfo(creation).Type;
        bool found = type?.ToDisplayString() switch
        {
            "System.Random" => creation.ArgumentList is not { Arguments.Count: > 0 },
            "System.Diagnostics.Stopwatch" => true,
            { } name when Timers.Contains(name) => creation.ArgumentList is { } arguments && HasTimeOnly(arguments, model.Value),
            _ => false,
        };
        return found ? $"new {type!.Name}()" : null;
    }

    /// <summary>True for arguments with a time, or a number of milliseconds, and without a clock.</summary>
    private static bool HasTimeOnly(ArgumentListSyntax list, SemanticModel model) =>
        list.Arguments.Any(argument => IsTime(argument.Expression, model)) && !list.Arguments.Any(argument => IsClock(argument, model));

    /// <summary>False for "not at all" and "without end", which need no clock.</summary>
    private static bool IsTime(ExpressionSyntax argument, SemanticModel model) =>
        argument.ToString() is not ("0" or "TimeSpan.Zero" or "Timeout.Infinite" or "Timeout.InfiniteTimeSpan")
        && model.GetTypeInfo(argument).Type?.ToDisplayString() is "System.TimeSpan" or "int" or "long" or "uint";

    private static bool IsClock(ArgumentSyntax argument, SemanticModel model) =>
        model.GetTypeInfo(argument.Expression).Type?.ToDisplayString().TrimEnd('?') == "System.TimeProvider";
}
