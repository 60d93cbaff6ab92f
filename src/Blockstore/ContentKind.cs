namespace Ipcs.Blockstore;

/// <summary>How a digest names its content.</summary>
public enum ContentKind
{
    /// <summary>The digest is the hash of the bytes: an unmodified blob.</summary>
    Blob = 0,

    /// <summary>The digest is the hash of the root block of a UnixFS file, whose bytes are the content.</summary>
    Dag = 1,
}
