using System.Text.RegularExpressions;

namespace Ipcs.Architecture.Tests;

/// <summary>Which projects may reference which, and what no source of a project may contain.</summary>
public sealed partial class ReferenceTests
{
    // A project may reference the projects named here, and through them those that they may reference.
    private static readonly Dictionary<string, string[]> AllowedReferences = new(StringComparer.Ordinal)
    {
        ["Multiformats"] = [],
        ["Libp2p"] = ["Multiformats"],
        ["Kademlia"] = ["Libp2p"],
        ["Blockstore"] = ["Multiformats"],
        ["Dag"] = ["Blockstore"],
        ["Bitswap"] = ["Libp2p", "Blockstore"],
        ["Oci"] = ["Dag"],
        ["ContentApi"] = ["Dag"],
        ["Fleet"] = ["Bitswap", "Kademlia", "Dag"],
        ["ControlApi"] = ["Fleet", "Oci"],
        ["CommandLine"] = ["Oci"],
        ["Node"] = ["ContentApi", "ControlApi", "CommandLine"],
    };

    public static TheoryData<string> All => [.. Projects.Names];

    [Fact]
    public void Every_project_has_its_allowed_references() =>
        Assert.Equal(AllowedReferences.Keys.Order(StringComparer.Ordinal), Projects.Names);

    [Theory]
    [MemberData(nameof(All))]
    public void A_project_references_only_allowed_projects(string project) =>
        Assert.Empty(Projects.Closure(project, Projects.References).Except(Allowed(project)));

    [Theory]
    [MemberData(nameof(All))]
    public void A_source_names_no_namespace_of_a_project_it_may_not_reference(string project)
    {
        HashSet<string> allowed = [project, .. Allowed(project)];
        IEnumerable<string> found =
            from source in Projects.Sources(project)
            from line in source.Lines
            from Match match in ProjectName().Matches(line)
            let other = match.Groups[1].Value
            where AllowedReferences.ContainsKey(other) && !allowed.Contains(other)
            select $"{source.File}: {line.Trim()}";
        Assert.Empty(found);
    }

    [Theory]
    [MemberData(nameof(All))]
    public void A_source_is_in_the_namespace_of_its_project(string project)
    {
        IEnumerable<string> found =
            from source in Projects.Sources(project)
            from line in source.Lines
            let match = Namespace().Match(line)
            where match.Success && match.Groups[1].Value != project
            select $"{source.File}: {line.Trim()}";
        Assert.Empty(found);
    }

    [Theory]
    [MemberData(nameof(All))]
    public void No_source_is_unfinished(string project) => Assert.Empty(Lines(project, Unfinished()));

    // Calls that work under the JIT and fail in the AOT binary, or that block a thread of the pool.
    [Theory]
    [MemberData(nameof(All))]
    public void No_source_uses_reflection_or_blocks_a_thread(string project) => Assert.Empty(Lines(project, Forbidden()));

    /// <summary>The lines of a project's sources that match a pattern.</summary>
    private static IEnumerable<string> Lines(string project, Regex pattern) =>
        from source in Projects.Sources(project)
        from line in source.Lines
        where pattern.IsMatch(line)
        select $"{source.File}: {line.Trim()}";

    private static IReadOnlySet<string> Allowed(string project) => Projects.Closure(project, name => AllowedReferences[name]);

    [GeneratedRegex(@"\bIpcs\.(\w+)")]
    private static partial Regex ProjectName();

    [GeneratedRegex(@"^namespace\s+Ipcs\.(\w+)")]
    private static partial Regex Namespace();

    [GeneratedRegex(@"\b(TODO|FIXME|HACK|XXX)\b|NotImplementedException")]
    private static partial Regex Unfinished();

    [GeneratedRegex(@"\bThread\.Sleep\(|\bActivator\.CreateInstance\(|\bAssembly\.Load|using System\.Reflection\.Emit|\bJsonFormatter\b")]
    private static partial Regex Forbidden();
}
