using Ipcs.Multiformats;

namespace Ipcs.Blockstore;

/// <summary>One content of the index: what a digest means, and who owns it.</summary>
public sealed record ContentRecord
{
    /// <summary>What containerd names it by.</summary>
    public required Digest Digest { get; init; }

    /// <summary>How the digest names it.</summary>
    public required ContentKind Kind { get; init; }

    /// <summary>The root of its DAG.</summary>
    public required Cid Root { get; init; }

    /// <summary>Its length in bytes.</summary>
    public required long Size { get; init; }

    /// <summary>The DAG profile it was imported with; empty when another node made the DAG.</summary>
    public string Profile { get; init; } = "";

    /// <summary>True when containerd owns it: it is listed, and kept until containerd deletes it.</summary>
    public bool Owned { get; init; }

    /// <summary>True when every block is here and (for a blob) the whole hash has been checked.</summary>
    public bool Complete { get; init; }

    /// <summary>When it came.</summary>
    public DateTimeOffset CreatedAt { get; init; }

    /// <summary>When it last changed.</summary>
    public DateTimeOffset UpdatedAt { get; init; }

    /// <summary>containerd's labels on it.</summary>
    public IReadOnlyDictionary<string, string> Labels { get; init; } = new Dictionary<string, string>(0);
}
