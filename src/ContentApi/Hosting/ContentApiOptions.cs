namespace Ipcs.ContentApi.Hosting;

/// <summary>The bounds and times of the content service.</summary>
public sealed class ContentApiOptions
{
    /// <summary>
    /// How long a Write waits for a locked reference, and an Abort for the session it has ended: a client's Close is a half-close, and it
    /// reopens at once.
    /// </summary>
    public TimeSpan LockWait { get; set; } = TimeSpan.FromSeconds(1);

    /// <summary>The most ingests at once, open or interrupted. Each has a record of up to a chunk in the store.</summary>
    public int MaxIngests { get; set; } = 2048;

    /// <summary>The longest reference, in bytes of UTF-8: containerd's are its namespace, a number and the client's own name.</summary>
    public int MaxReferenceLength { get; set; } = 4096;

    /// <summary>
    /// How many interrupted ingests keep their hash and their open chunk in memory, so that reopening one needn't read its bytes back.
    /// </summary>
    public int MaxIdleIngests { get; set; } = 16;

    /// <summary>How many contents stay open between two Reads, each with its last leaf (at most 2 MiB) and its inner nodes.</summary>
    public int MaxIdleReaders { get; set; } = 16;

    /// <summary>After how many new bytes an open ingest's place is written down.</summary>
    public long SaveEvery { get; set; } = 16 << 20;

    /// <summary>The clock of the time stamps.</summary>
    public TimeProvider Time { get; set; } = TimeProvider.System;
}
