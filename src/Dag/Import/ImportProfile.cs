using System.Diagnostics.CodeAnalysis;
using Ipcs.Dag.Chunking;

namespace Ipcs.Dag.Import;

/// <summary>The form of the DAG of a file. Two nodes get the same root for the same bytes only with the same profile.</summary>
public sealed record ImportProfile
{
    /// <summary>The upper limit of <see cref="MaxChildren"/>: inner nodes of about 450 KiB.</summary>
    public const int MaxMaxChildren = 8192;

    /// <summary>Kubo's default: CIDv0, dag-pb leaves, 256 KiB.</summary>
    public static readonly ImportProfile KuboV0 = new() { Name = "kubo-v0", CidVersion = 0, RawLeaves = false };

    /// <summary>Kubo's form with <c>--cid-version=1</c>: CIDv1, raw leaves, 256 KiB. The fleet's default.</summary>
    public static readonly ImportProfile KuboV1 = new() { Name = "kubo-v1", CidVersion = 1, RawLeaves = true };

    /// <summary>Its name in options and records.</summary>
    public required string Name { get; init; }

    /// <summary>0 or 1: the version of the CIDs of dag-pb nodes. Raw leaves are always version 1.</summary>
    public required int CidVersion { get; init; }

    /// <summary>True when leaves are raw blocks, false when each is a dag-pb node.</summary>
    public required bool RawLeaves { get; init; }

    /// <summary>The chunker.</summary>
    public ChunkerSpec Chunker { get; init; } = ChunkerSpec.Default;

    /// <summary>The arrangement of the nodes above the chunks.</summary>
    public DagLayout Layout { get; init; } = DagLayout.Balanced;

    /// <summary>The most children of an inner node.</summary>
    public int MaxChildren { get; init; } = 174;

    /// <summary>The profile with a name.</summary>
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

    /// <summary>Checks the values.</summary>
    /// <exception cref="ArgumentException">A value is out of bounds.</exception>
    internal ImportProfile Checked()
    {
        if (CidVersion is < 0 or > 1 || !Enum.IsDefined(Layout) || MaxChildren is < 2 or > MaxMaxChildren)
        {
            throw new ArgumentException(
                $"import profile '{Name}' is out of bounds: CID version {CidVersion} (0 or 1), layout {Layout}, "
                + $"{MaxChildren} children (2 to {MaxMaxChildren})");
        }

        return this;
    }
}
