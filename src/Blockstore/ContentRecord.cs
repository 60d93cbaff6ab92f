using Ipcs.Multiformats;

namespace Ipcs.Blockstore;

/// <summary>One content of the index.</summary>
public sealed record ContentRecord
{
    /// <summary>The digest by which containerd names it.</summary>
    public required Digest Digest { get; init; }

    /// <summary>What the digest is the hash of.</summary>
    public required ContentKind Kind { get; init; }

    /// <summary>The root of its DAG.</summary>
    public required Cid Root { get; init; }

    /// <summary>Its length in bytes.</summary>
    public required long Size { get; init; }

    /// <summary>The DAG profile of its import; empty when another node made the DAG.</summary>
    public string Profile { get; init; } = "";

    /// <summary>True when containerd owns it: it is listed, and kept until containerd deletes it.</summary>
    public bool Owned { get; init; }

    /// <summary>True when the store has every block and (for a blob) the hash of all bytes was verified.</summary>
    public bool Complete { get; init; }

    /// <summary>
    /// True when containerd has deleted it and it stays for the peers. containerd's Info does not find it: it has asked for its deletion,
    /// and gets it again by a Write.
    /// </summary>
    public bool Retained { get; init; }

    /// <summary>When the record was created.</summary>
    public DateTimeOffset CreatedAt { get; init; }

    /// <summary>When the record last changed.</summary>
    public DateTimeOffset UpdatedAt { get; init; }

    /// <summary>containerd's labels.</summary>
    public IReadOnlyDictionary<string, string> Labels { get; init; } = new Dictionary<string, string>(0);
}
