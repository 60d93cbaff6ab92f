using Ipcs.Blockstore;

namespace Ipcs.ContentApi.Ingests;

/// <summary>Where an ingest is, as told to clients.</summary>
/// <param name="Ref">containerd's name for it.</param>
/// <param name="Offset">How many bytes have been written.</param>
/// <param name="Total">The declared length; 0 when unknown.</param>
/// <param name="Expected">The declared digest; empty when unknown.</param>
/// <param name="StartedAt">When it began.</param>
/// <param name="UpdatedAt">When it last grew.</param>
internal sealed record IngestStatus(string Ref, long Offset, long Total, string Expected, DateTimeOffset StartedAt, DateTimeOffset UpdatedAt)
{
    public IngestStatus(IngestRecord record)
        : this(record.Ref, record.Offset, record.Total, record.Expected, record.StartedAt, record.UpdatedAt)
    {
    }
}
