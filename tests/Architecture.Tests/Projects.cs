using System.Xml.Linq;

namespace Ipcs.Architecture.Tests;

/// <summary>The projects below src as they are on disk: their names, references and sources.</summary>
internal static class Projects
{
    /// <summary>The folder that holds Ipcs.sln.</summary>
    public static string Root { get; } = FindRoot();

    /// <summary>The names of the projects under src.</summary>
    public static IReadOnlyList<string> Names { get; } =
        [.. Directory.GetFiles(Path.Combine(Root, "src"), "*.csproj", SearchOption.AllDirectories)
            .Select(path => Path.GetFileNameWithoutExtension(path)).Order(StringComparer.Ordinal)];

    /// <summary>The projects that a project file references directly.</summary>
    public static IReadOnlySet<string> References(string project) =>
        XDocument.Load(Path.Combine(Root, "src", project, project + ".csproj"))
            .Descendants("ProjectReference")
            .Select(reference => Path.GetFileNameWithoutExtension(reference.Attribute("Include")!.Value.Replace('\\', '/')))
            .ToHashSet(StringComparer.Ordinal);

    /// <summary>Everything that can be reached from a node of a graph; the node itself only through a cycle.</summary>
    public static IReadOnlySet<string> Closure(string start, Func<string, IEnumerable<string>> next)
    {
        HashSet<string> seen = new(StringComparer.Ordinal);
        Stack<string> open = new([start]);
        while (open.TryPop(out string? current))
        {
            foreach (string other in next(current))
            {
                if (seen.Add(other))
                {
                    open.Push(other);
                }
            }
        }

        return seen;
    }

    /// <summary>The C# files of a project with their lines, without build output.</summary>
    public static IEnumerable<(string File, string[] Lines)> Sources(string project)
    {
        string folder = Path.Combine(Root, "src", project);
        return Directory.EnumerateFiles(folder, "*.cs", SearchOption.AllDirectories)
            .Select(path => (Path: path, Below: Path.GetRelativePath(folder, path)))
            .Where(file => file.Below.Split(Path.DirectorySeparatorChar)[0] is not ("obj" or "bin"))
            .Select(file => ($"src/{project}/{file.Below}", File.ReadAllLines(file.Path)));
    }

    private static string FindRoot()
    {
        DirectoryInfo? folder = new(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "Ipcs.sln")))
        {
            folder = folder.Parent;
        }

        return folder?.FullName ?? throw new DirectoryNotFoundException("no Ipcs.sln above " + AppContext.BaseDirectory);
    }
}
