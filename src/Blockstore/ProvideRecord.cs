using Ipcs.Multiformats;

namespace Ipcs.Blockstore;

/// <summary>A key that is announced to the DHT.</summary>
public sealed record ProvideRecord
{
    /// <summary>The key: the multihash of a root, or of <c>CIDv1(raw, D)</c> for a digest D.</summary>
    public required Multihash Key { get; init; }

    /// <summary>When to announce it next.</summary>
    public required DateTimeOffset DueAt { get; init; }

    /// <summary>When it was last announced; null when it never was.</summary>
    public DateTimeOffset? ProvidedAt { get; init; }

    /// <summary>How many attempts have failed since.</summary>
    public int Failures { get; init; }
}
