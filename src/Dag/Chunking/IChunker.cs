namespace Ipcs.Dag.Chunking;

/// <summary>
/// Decides where a stream of bytes is cut. It is fed the stream in pieces of any length and keeps what it needs of the open chunk; right after
/// a cut it is as new, so that an import can resume there, unless its <see cref="ChunkerSpec.Resumes"/> says otherwise.
/// </summary>
internal interface IChunker
{
    /// <summary>The longest chunk it makes, in bytes.</summary>
    int MaxLength { get; }

    /// <summary>
    /// Looks at the bytes that follow those already seen. Returns how many of them end the open chunk (at least 1), or 0 when all of
    /// them belong to it and it stays open.
    /// </summary>
    int FindCut(ReadOnlySpan<byte> data);
}
