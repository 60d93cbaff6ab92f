namespace Ipcs.Architecture.Tests;

/// <summary>References between the folders of the same project, found by type name without compiling.</summary>
/// <remarks>
/// A file refers to a type when it names the type and the type's namespace is in the file's scope. A member used through a variable whose
/// type the file never names is not seen.
/// </remarks>
internal sealed class FolderGraph
{
    private readonly SortedDictionary<(string From, string To), SortedSet<string>> _edges = [];

    /// <summary>Builds the graph of a set of files.</summary>
    /// <param name="files">All files whose types may be named.</param>
    /// <param name="references">The projects that a project can see, directly or through others.</param>
    public FolderGraph(IEnumerable<SourceFile> files, Func<string, IReadOnlySet<string>> references)
    {
        SourceFile[] all = [.. files];
        ILookup<string, SourceFile> declarations = all.SelectMany(file => file.Types, (file, type) => (file, type))
            .ToLookup(pair => pair.type, pair => pair.file, StringComparer.Ordinal);
        foreach (SourceFile file in all)
        {
            IReadOnlySet<string> visible = references(file.Project);
            foreach (string name in file.Names)
            {
                SourceFile[] candidates =
                    [.. declarations[name].Where(d => d.Project == file.Project || visible.Contains(d.Project))];
                if (Resolve(file, candidates) is { } target && target.Project == file.Project && target.Folder != file.Folder)
                {
                    Add(file.Folder, target.Folder, name);
                }
            }
        }
    }

    /// <summary>The references, as <c>From -> To (types)</c>.</summary>
    public IEnumerable<string> Edges => _edges.Select(edge => $"{edge.Key.From} -> {edge.Key.To} ({string.Join(", ", edge.Value)})");

    /// <summary>
    /// The largest sets of folders of a project in which every folder reaches every other, each set with the references inside it. Empty
    /// when the project has no cycle.
    /// </summary>
    public IReadOnlyList<string> Cycles(string project)
    {
        string[] folders = [.. _edges.Keys.Select(edge => edge.From).Where(folder => folder.Split('/')[0] == project).Distinct()];
        Dictionary<string, IReadOnlySet<string>> reached =
            folders.ToDictionary(folder => folder, folder => Projects.Closure(folder, Targets));
        return [.. folders
            .Select(folder => string.Join(' ', folders.Where(other => reached[folder].Contains(other) && reached[other].Contains(folder))))
            .Where(cycle => cycle.Length > 0)
            .Distinct()
            .Select(Describe)];
    }

    private static SourceFile? Resolve(SourceFile file, IReadOnlyList<SourceFile> candidates) =>
        candidates.FirstOrDefault(candidate => candidate.Folder == file.Folder)
        ?? file.Scopes
            .Select(scope => candidates.FirstOrDefault(candidate => candidate.Namespace == scope))
            .FirstOrDefault(found => found is not null);

    private void Add(string from, string to, string type)
    {
        if (!_edges.TryGetValue((from, to), out SortedSet<string>? types))
        {
            _edges[(from, to)] = types = new SortedSet<string>(StringComparer.Ordinal);
        }

        types.Add(type);
    }

    private IEnumerable<string> Targets(string folder) => _edges.Keys.Where(edge => edge.From == folder).Select(edge => edge.To);

    private string Describe(string cycle)
    {
        string[] folders = cycle.Split(' ');
        IEnumerable<string> inside = _edges
            .Where(edge => folders.Contains(edge.Key.From) && folders.Contains(edge.Key.To))
            .Select(edge => $"  {edge.Key.From} -> {edge.Key.To}: {string.Join(", ", edge.Value)}");
        return string.Join('\n', [$"{folders.Length} folders: {string.Join(", ", folders)}", .. inside]);
    }
}
