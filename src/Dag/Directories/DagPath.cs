using System.Diagnostics.CodeAnalysis;
using Ipcs.Multiformats;

namespace Ipcs.Dag.Directories;

/// <summary>A root and a path below it: <c>CID</c> or <c>CID/path/to/file</c>, optionally after <c>/ipfs/</c> or <c>ipfs://</c>.</summary>
public sealed class DagPath
{
    /// <summary>The longest text, in characters: Linux's PATH_MAX and a CID.</summary>
    public const int MaxTextLength = 4096 + 512;

    private DagPath(Cid root, IReadOnlyList<string> names)
    {
        Root = root;
        Names = names;
    }

    /// <summary>The root.</summary>
    public Cid Root { get; }

    /// <summary>The names of the path; empty for the root itself.</summary>
    public IReadOnlyList<string> Names { get; }

    /// <summary>Parses a path. Empty names (repeated and trailing slashes) are ignored; <c>.</c> and <c>..</c> are refused.</summary>
    public static bool TryParse(string? text, [NotNullWhen(true)] out DagPath? path)
    {
        path = null;
        if (string.IsNullOrEmpty(text) || text.Length > MaxTextLength)
        {
            return false;
        }

        string rest = text.StartsWith("ipfs://", StringComparison.Ordinal) ? text["ipfs://".Length..]
            : text.StartsWith("/ipfs/", StringComparison.Ordinal) ? text["/ipfs/".Length..]
            : text;
        string[] parts = rest.Split('/');
        string[] names = [.. parts.Skip(1).Where(name => name.Length > 0)];
        if (!Cid.TryParse(parts[0], out Cid root) || names.Any(name => EntryName.Problem(name) is not null))
        {
            return false;
        }

        path = new DagPath(root, names);
        return true;
    }

    /// <summary>Resolves the path. Symbolic links are not followed.</summary>
    /// <exception cref="DagPathException">The entry does not exist.</exception>
    /// <exception cref="BlockNotFoundException">A block cannot be found.</exception>
    /// <exception cref="DagFormatException">A directory of the path is not well-formed.</exception>
    public async Task<Cid> ResolveAsync(IBlockSource source, CancellationToken cancellationToken)
    {
        Cid at = Root;
        foreach (string name in Names)
        {
            if (at.Codec == Multicodec.Raw || !(await UnixFsStat.GetAsync(at, source, cancellationToken)).IsDirectory)
            {
                throw new DagPathException($"no link named '{name}' under {at}, which is not a directory");
            }

            at = (await DirectoryReader.FindAsync(at, name, source, cancellationToken))?.Cid
                ?? throw new DagPathException($"no link named '{name}' under {at}");
        }

        return at;
    }

    /// <summary>The root and the names, separated by slashes.</summary>
    public override string ToString() => string.Join('/', [Root.ToString(), .. Names]);
}
