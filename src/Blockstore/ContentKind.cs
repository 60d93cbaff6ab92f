namespace Ipcs.Blockstore;

/// <summary>What a digest is the hash of.</summary>
public enum ContentKind
{
    /// <summary>The digest is the hash of the content's bytes: an unmodified blob.</summary>
    Blob = 0,

    /// <summary>The digest is the hash of the root block of a UnixFS file, whose bytes are the content.</summary>
    Dag = 1,
}
