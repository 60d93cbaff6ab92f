namespace Ipcs.Blockstore;

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
