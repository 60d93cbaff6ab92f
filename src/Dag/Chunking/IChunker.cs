namespace Ipcs.Dag.Chunking;

/// <summary>
/// Decides where a stream of bytes is cut into chunks. Receives the stream in pieces of any length and keeps what it needs of the open
/// chunk. Keeps no state across a cut, so that an import can resume there, unless its <see cref="ChunkerSpec.Resumes"/> is false.
/// </summary>
internal interface IChunker
{
    /// <summary>The longest chunk it produces, in bytes.</summary>
    int MaxLength { get; }

    /// <summary>
    /// Examines the next bytes of the stream. Returns how many of them complete the open chunk (at least 1), or 0 when all of them belong
    /// to it and it stays open.
    /// </summary>
    int FindCut(ReadOnlySpan<byte> data);
}
