using System.Diagnostics.CodeAnalysis;
using Ipcs.Dag.Chunking;

namespace Ipcs.Dag.Import;

/// <summary>How a file becomes a DAG. Two nodes make the same root of the same bytes only under the same profile.</summary>
public sealed record ImportProfile
{
    /// <summary>The most children of a node: some 450 KiB of inner node.</summary>
    public const int MaxMaxChildren = 8192;

    /// <summary>What Kubo does by default: CIDv0, dag-pb leaves, 256 KiB.</summary>
    public static readonly ImportProfile KuboV0 = new() { Name = "kubo-v0", CidVersion = 0, RawLeaves = false };

    /// <summary>What Kubo does with <c>--cid-version=1</c>: CIDv1, raw leaves, 256 KiB. The fleet's default.</summary>
    public static readonly ImportProfile KuboV1 = new() { Name = "kubo-v1", CidVersion = 1, RawLeaves = true };

    /// <summary>What it is called in options and records.</summary>
    public required string Name { get; init; }

    /// <summary>0 or 1: the version of the CIDs of dag-pb nodes. Raw leaves are always version 1.</summary>
    public required int CidVersion { get; init; }

    /// <summary>True when leaves are bare bytes; false when each is wrapped in a dag-pb node.</summary>
    public required bool RawLeaves { get; init; }

    /// <summary>How the file is cut.</summary>
    public ChunkerSpec Chunker { get; init; } = ChunkerSpec.Default;

    /// <summary>How the nodes above the chunks are arranged.</summary>
    public DagLayout Layout { get; init; } = DagLayout.Balanced;

    /// <summary>The most children of an inner node.</summary>
    public int MaxChildren { get; init; } = 174;

    /// <summary>The profile of that name.</summary>
    public static bool TryParse(string? name, [NotNullWhen(true)] out ImportProfile? profile)
    {
        profile = name switch
        {
            "kubo-v0" => KuboV0,
            "kubo-v1" => KuboV1,
            _ => null,
        };
        return profile is not null;
    }

    /// <summary>Refuses what no import can be made with.</summary>
    /// <exception cref="ArgumentException">A value is out of its bounds.</exception>
    internal ImportProfile Checked()
    {
        if (CidVersion is < 0 or > 1 || !Enum.IsDefined(Layout) || MaxChildren is < 2 or > MaxMaxChildren)
        {
            throw new ArgumentException(
                $"import profile '{Name}' is out of bounds: CID version {CidVersion} (0 or 1), layout {Layout}, {MaxChildren} children (2 to {MaxMaxChildren})");
        }

        return this;
    }
}
