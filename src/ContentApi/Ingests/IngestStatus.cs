using Ipcs.Blockstore;

namespace Ipcs.ContentApi.Ingests;

/// <summary>The state of an ingest, as in replies to clients.</summary>
/// <param name="Ref">The reference, which containerd chose.</param>
/// <param name="Offset">The number of bytes written.</param>
/// <param name="Total">The declared length in bytes; 0 when unknown.</param>
/// <param name="Expected">The declared digest; empty when unknown.</param>
/// <param name="StartedAt">When the ingest began.</param>
/// <param name="UpdatedAt">When bytes were last written.</param>
internal sealed record IngestStatus(
    string Ref, long Offset, long Total, string Expected, DateTimeOffset StartedAt, DateTimeOffset UpdatedAt)
{
    /// <summary>The state that a record has stored.</summary>
    public IngestStatus(IngestRecord record)
        : this(record.Ref, record.Offset, record.Total, record.Expected, record.StartedAt, record.UpdatedAt)
    {
    }
}
