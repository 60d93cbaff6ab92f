using System.Xml.Linq;

namespace Ipcs.Architecture.Tests;

/// <summary>The rooms under src as they are on disk: which projects there are, what they reference, what their files say.</summary>
internal static class Rooms
{
    /// <summary>The folder that holds Ipcs.sln.</summary>
    public static string Root { get; } = FindRoot();

    /// <summary>The names of the projects under src.</summary>
    public static IReadOnlyList<string> Names { get; } =
        [.. Directory.GetFiles(Path.Combine(Root, "src"), "*.csproj", SearchOption.AllDirectories)
            .Select(path => Path.GetFileNameWithoutExtension(path)).Order(StringComparer.Ordinal)];

    /// <summary>The rooms that a room's project file references itself.</summary>
    public static IReadOnlySet<string> References(string room) =>
        XDocument.Load(Path.Combine(Root, "src", room, room + ".csproj"))
            .Descendants("ProjectReference")
            .Select(reference => Path.GetFileNameWithoutExtension(reference.Attribute("Include")!.Value.Replace('\\', '/')))
            .ToHashSet(StringComparer.Ordinal);

    /// <summary>Everything that can be reached from a room, itself left out.</summary>
    public static IReadOnlySet<string> Closure(string room, Func<string, IEnumerable<string>> next)
    {
        HashSet<string> seen = new(StringComparer.Ordinal);
        Stack<string> open = new([room]);
        while (open.TryPop(out string? current))
        {
            foreach (string other in next(current))
            {
                if (seen.Add(other))
                    open.Push(other);
            }
        }

        return seen;
    }

    /// <summary>The C# files of a room, what the build made left out, with their lines.</summary>
    public static IEnumerable<(string File, string[] Lines)> Sources(string room)
    {
        string folder = Path.Combine(Root, "src", room);
        return Directory.EnumerateFiles(folder, "*.cs", SearchOption.AllDirectories)
            .Select(path => (Path: path, Below: Path.GetRelativePath(folder, path)))
            .Where(file => file.Below.Split(Path.DirectorySeparatorChar)[0] is not ("obj" or "bin"))
            .Select(file => ($"src/{room}/{file.Below}", File.ReadAllLines(file.Path)));
    }

    private static string FindRoot()
    {
        DirectoryInfo? folder = new(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "Ipcs.sln")))
            folder = folder.Parent;
        return folder?.FullName ?? throw new DirectoryNotFoundException("no Ipcs.sln above " + AppContext.BaseDirectory);
    }
}
