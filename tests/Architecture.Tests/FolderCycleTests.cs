namespace Ipcs.Architecture.Tests;

/// <summary>Folders inside a project must not refer to each other in a cycle.</summary>
public sealed class FolderCycleTests
{
    private static readonly Lazy<FolderGraph> Source = new(() => new FolderGraph(
        SourceFile.Load(Path.Combine(Projects.Root, "src")), project => Projects.Closure(project, Projects.References)));

    public static TheoryData<string> Names => [.. Projects.Names];

    [Theory]
    [MemberData(nameof(Names))]
    public void Folders_of_a_project_have_no_cycle(string project)
    {
        IReadOnlyList<string> cycles = Source.Value.Cycles(project);
        Assert.True(cycles.Count == 0, string.Join('\n', cycles));
    }

    [Fact]
    public void A_cycle_of_three_folders_is_found_with_the_types_that_make_it()
    {
        FolderGraph graph = Graph(
            ("App/Red", "namespace App.Red; using App.Green; class Apple { Grass? _g; }"),
            ("App/Green", "using App.Blue; namespace App.Green; class Grass { void M() => new Sky(); }"),
            ("App/Blue", "using App.Red; namespace App.Blue; class Sky { System.Func<Apple>? Make { get; } }"),
            ("App/Alone", "using App.Red; namespace App.Alone; class Watcher : Apple { }"));
        Assert.Equal(
            [
                "3 folders: App/Blue, App/Green, App/Red",
                "  App/Blue -> App/Red: Apple",
                "  App/Green -> App/Blue: Sky",
                "  App/Red -> App/Green: Grass",
            ],
            Assert.Single(graph.Cycles("App")).Split('\n'));
    }

    [Fact]
    public void A_cycle_through_the_folder_of_the_project_itself_is_found()
    {
        FolderGraph graph = Graph(
            ("App", "using App.Parts; namespace App; class Whole { Part? _p; }"),
            ("App/Parts", "namespace App.Parts; class Part(Whole owner) { }"));
        Assert.Single(graph.Cycles("App"));
    }

    [Fact]
    public void Two_separate_cycles_are_told_apart()
    {
        FolderGraph graph = Graph(
            ("App/A", "namespace App.A; using App.B; class A1 { B1? b; }"),
            ("App/B", "namespace App.B; using App.A; using App.C; class B1 { A1? a; C1? c; }"),
            ("App/C", "namespace App.C; using App.D; class C1 { D1? d; }"),
            ("App/D", "namespace App.D; using App.C; class D1 { C1? c; }"));
        Assert.Equal(2, graph.Cycles("App").Count);
    }

    [Fact]
    public void References_one_way_are_no_cycle()
    {
        FolderGraph graph = Graph(
            ("App", "using App.Parts; namespace App; class Whole { Part? _p; }"),
            ("App/Parts", "namespace App.Parts; class Part { }"));
        Assert.Empty(graph.Cycles("App"));
        Assert.Equal(["App -> App/Parts (Part)"], graph.Edges);
    }

    // Comments, strings and a type of the same name in the same folder.
    [Theory]
    [InlineData("/* Whole */ class Part { } // Whole")]
    [InlineData("/// <summary><see cref=\"Whole\"/></summary>\nclass Part { }")]
    [InlineData("class Part { string S => \"Whole\"; string T => \"\"\"Whole\"\"\"; }")]
    [InlineData("class Part { Whole W; } class Whole { }")]
    public void What_is_no_reference_is_not_counted(string code)
    {
        FolderGraph graph = Graph(
            ("App", "using App.Parts; namespace App; class Whole { Part? _p; }"),
            ("App/Parts", "namespace App.Parts; " + code));
        Assert.Empty(graph.Cycles("App"));
    }

    [Theory]
    [InlineData("class Part { string S => $\"{new Whole()}\"; }")]
    [InlineData("[Whole] class Part { }")]
    [InlineData("class Part { object O => nameof(Whole); }")]
    public void References_in_any_code_are_counted(string code)
    {
        FolderGraph graph = Graph(
            ("App", "using App.Parts; namespace App; class Whole { Part? _p; }"),
            ("App/Parts", "namespace App.Parts; " + code));
        Assert.Single(graph.Cycles("App"));
    }

    [Fact]
    public void A_name_belongs_to_the_nearest_namespace_and_to_visible_projects_only()
    {
        FolderGraph graph = Graph(
            ("App/Users", "using App.Tables; using Lib; namespace App.Users; class User { Table? t; }"),
            ("App/Tables", "using App.Users; namespace App.Tables; class Table { User? u; Hidden? h; }"),
            ("Hidden/Users", "namespace App.Users; class Hidden { }"),
            ("Lib", "namespace Lib; class Table { }"));
        Assert.Equal(["App/Tables -> App/Users (User)", "App/Users -> App/Tables (Table)"], graph.Edges);
    }

    private static FolderGraph Graph(params (string Folder, string Text)[] files) =>
        new(
            files.Select(file => SourceFile.Parse(file.Folder, file.Text)),
            project => project == "App" ? new HashSet<string> { "Lib" } : []);
}
