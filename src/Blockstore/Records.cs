using Ipcs.Multiformats;

namespace Ipcs.Blockstore;

/// <summary>How a digest names its content.</summary>
public enum ContentKind
{
    /// <summary>The digest is the hash of the bytes: an unmodified blob.</summary>
    Blob = 0,

    /// <summary>The digest is the hash of the root block of a UnixFS file, whose bytes are the content.</summary>
    Dag = 1,
}

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

/// <summary>A write by containerd that has not been committed: its reference, and where it may resume.</summary>
public sealed record IngestRecord
{
    /// <summary>containerd's name for it.</summary>
    public required string Ref { get; init; }

    /// <summary>The expected length in bytes; 0 when unknown.</summary>
    public long Total { get; init; }

    /// <summary>The expected digest's text; empty when unknown.</summary>
    public string Expected { get; init; } = "";

    /// <summary>When it began.</summary>
    public DateTimeOffset StartedAt { get; init; }

    /// <summary>When it last grew.</summary>
    public DateTimeOffset UpdatedAt { get; init; }

    /// <summary>How many bytes are durable, and in <see cref="State"/>.</summary>
    public long Offset { get; init; }

    /// <summary>The importer's state at <see cref="Offset"/>, in a form of its own.</summary>
    public ReadOnlyMemory<byte> State { get; init; }
}

/// <summary>What GC keeps because a person asked for it.</summary>
/// <param name="Root">The root of what is kept.</param>
/// <param name="Recursive">True to keep all below it too.</param>
/// <param name="Name">A name for people; may be empty.</param>
public sealed record PinRecord(Cid Root, bool Recursive, string Name);

/// <summary>A key that is announced to the DHT.</summary>
public sealed record ProvideRecord
{
    /// <summary>The key: the multihash of a root, or of <c>CIDv1(raw, D)</c>.</summary>
    public required Multihash Key { get; init; }

    /// <summary>When it is to be announced next.</summary>
    public required DateTimeOffset DueAt { get; init; }

    /// <summary>When it was announced last; null when it never was.</summary>
    public DateTimeOffset? ProvidedAt { get; init; }

    /// <summary>How often it failed since.</summary>
    public int Failures { get; init; }
}

/// <summary>A peer that was met.</summary>
public sealed record PeerRecord
{
    /// <summary>Who.</summary>
    public required PeerId Peer { get; init; }

    /// <summary>Where, the best first, without the peer's id at the end.</summary>
    public IReadOnlyList<Multiaddr> Addresses { get; init; } = [];

    /// <summary>When it was connected last.</summary>
    public DateTimeOffset SeenAt { get; init; }
}

/// <summary>Figures of a store. All are exact and none needs a scan of the blocks.</summary>
/// <param name="Blocks">How many blocks there are.</param>
/// <param name="BlockBytes">How long they are together, in bytes.</param>
/// <param name="Bytes">What the store takes on disk, logs and what is yet to be compacted included, in bytes.</param>
/// <param name="Contents">How many contents the index has.</param>
public sealed record StoreStatistics(long Blocks, long BlockBytes, long Bytes, long Contents);
