namespace Ipcs.ContentApi.Hosting;

/// <summary>The bounds, times and clock of the content service.</summary>
public sealed class ContentApiOptions
{
    /// <summary>
    /// How long a Write waits for a locked reference. A client closes a Write by a half-close and may open the reference again before the
    /// server has handled it. containerd waits with its metadata locked, and the session that has the reference may be waiting for just
    /// those to commit.
    /// </summary>
    public TimeSpan LockWait { get; set; } = TimeSpan.FromMilliseconds(100);

    /// <summary>How long an Abort waits for the end of the session that has the reference.</summary>
    public TimeSpan AbortWait { get; set; } = TimeSpan.FromSeconds(1);

    /// <summary>The most ingests at once, open or interrupted. Each has a record of up to one chunk in the store.</summary>
    public int MaxIngests { get; set; } = 2048;

    /// <summary>
    /// The longest reference, in bytes of UTF-8. containerd's references are a namespace, a number and the name that its client chose.
    /// </summary>
    public int MaxReferenceLength { get; set; } = 4096;

    /// <summary>
    /// How many interrupted ingests keep their hash state and their open chunk in memory, so that their bytes need not be read back and
    /// hashed again when they are resumed.
    /// </summary>
    public int MaxIdleIngests { get; set; } = 16;

    /// <summary>
    /// How many contents stay open between two Reads, each with its last leaf (at most 2 MiB) and its inner nodes in memory.
    /// </summary>
    public int MaxIdleReaders { get; set; } = 16;

    /// <summary>The record of an open ingest is written each time so many new bytes are stored.</summary>
    public long SaveEvery { get; set; } = 16 << 20;

    /// <summary>True when a content that containerd deletes now stays for the peers for a while.</summary>
    public Func<bool> Retains { get; set; } = static () => false;

    /// <summary>The clock of time stamps and waits.</summary>
    public required TimeProvider Time { get; set; }
}
