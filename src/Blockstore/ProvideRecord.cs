using Ipcs.Multiformats;

namespace Ipcs.Blockstore;

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
