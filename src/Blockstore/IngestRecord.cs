namespace Ipcs.Blockstore;

/// <summary>A write by containerd that has not been committed, and where it may resume.</summary>
public sealed record IngestRecord
{
    /// <summary>containerd's name of the write.</summary>
    public required string Ref { get; init; }

    /// <summary>The expected length in bytes; 0 when unknown.</summary>
    public long Total { get; init; }

    /// <summary>The expected digest as text; empty when unknown.</summary>
    public string Expected { get; init; } = "";

    /// <summary>When the write began.</summary>
    public DateTimeOffset StartedAt { get; init; }

    /// <summary>When bytes were last added.</summary>
    public DateTimeOffset UpdatedAt { get; init; }

    /// <summary>How many bytes are durable and included in <see cref="State"/>.</summary>
    public long Offset { get; init; }

    /// <summary>The serialized state of the importer at <see cref="Offset"/>.</summary>
    public ReadOnlyMemory<byte> State { get; init; }
}
