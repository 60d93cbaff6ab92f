using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace Ipcs.Architecture.Tests;

/// <summary>What one C# file declares and names: enough to find the types of other files that it refers to.</summary>
/// <param name="Project">Name of the project that compiles the file.</param>
/// <param name="Folder">Folder of the file, relative to the source root, with forward slashes.</param>
/// <param name="Namespace">Namespace that the file declares.</param>
/// <param name="Scopes">Namespaces in which C# looks a simple name up: the enclosing ones from the innermost out, then the imported
/// ones.</param>
/// <param name="Types">Simple names of the types that the file declares, without those nested in others.</param>
/// <param name="Names">Identifiers in the file's code. Comments, string texts, and namespace and using directives are left out.</param>
internal sealed record SourceFile(
    string Project, string Folder, string Namespace, IReadOnlyList<string> Scopes, IReadOnlySet<string> Types, IReadOnlySet<string> Names)
{
    /// <summary>Reads the C# files below a folder that has one project per subfolder, without build output.</summary>
    public static IEnumerable<SourceFile> Load(string root)
    {
        foreach (string path in Directory.EnumerateFiles(root, "*.cs", SearchOption.AllDirectories).Order(StringComparer.Ordinal))
        {
            string[] parts = Path.GetRelativePath(root, path).Split(Path.DirectorySeparatorChar);
            if (parts.Length > 1 && parts[1] is not ("obj" or "bin"))
            {
                yield return Parse(string.Join('/', parts[..^1]), File.ReadAllText(path));
            }
        }
    }

    /// <summary>Reads one file.</summary>
    /// <param name="folder">Folder of the file; its first segment is the project.</param>
    /// <param name="text">The C# source.</param>
    public static SourceFile Parse(string folder, string text)
    {
        CompilationUnitSyntax unit = CSharpSyntaxTree.ParseText(text).GetCompilationUnitRoot();
        UsingDirectiveSyntax[] usings = [.. unit.DescendantNodes().OfType<UsingDirectiveSyntax>()];
        BaseNamespaceDeclarationSyntax? declared = unit.DescendantNodes().OfType<BaseNamespaceDeclarationSyntax>().FirstOrDefault();
        string space = declared?.Name.ToString() ?? "";
        HashSet<SyntaxNode?> skipped = [declared?.Name, .. usings.Where(u => u.Alias is null)];
        return new SourceFile(
            folder.Split('/')[0],
            folder,
            space,
            [.. Enclosing(space), .. usings.Select(Imported)],
            unit.DescendantNodes(node => node is not BaseTypeDeclarationSyntax)
                .Select(DeclaredType)
                .OfType<string>()
                .ToHashSet(StringComparer.Ordinal),
            unit.DescendantTokens(node => !skipped.Contains(node))
                .Where(token => token.IsKind(SyntaxKind.IdentifierToken))
                .Select(token => token.ValueText)
                .ToHashSet(StringComparer.Ordinal));
    }

    /// <summary>The namespace that a using directive imports, or the one that holds the type it gives an alias.</summary>
    private static string Imported(UsingDirectiveSyntax directive) => directive switch
    {
        { Alias: null } => directive.NamespaceOrType.ToString(),
        { NamespaceOrType: QualifiedNameSyntax name } => name.Left.ToString(),
        _ => "",
    };

    private static string? DeclaredType(SyntaxNode node) => node switch
    {
        BaseTypeDeclarationSyntax type => type.Identifier.ValueText,
        DelegateDeclarationSyntax type => type.Identifier.ValueText,
        _ => null,
    };

    private static IEnumerable<string> Enclosing(string name)
    {
        for (; name.Length > 0; name = name[..Math.Max(0, name.LastIndexOf('.'))])
        {
            yield return name;
        }
    }
}
