namespace Ipcs.Dag.UnixFs;

/// <summary>What a UnixFS node is. The values are those of the wire.</summary>
public enum UnixFsType
{
    /// <summary>A leaf of bytes (what trickle layouts and old files have).</summary>
    Raw = 0,

    /// <summary>A directory whose entries are the node's links.</summary>
    Directory = 1,

    /// <summary>A file, or an inner node or leaf of one.</summary>
    File = 2,

    /// <summary>Metadata; obsolete.</summary>
    Metadata = 3,

    /// <summary>A symbolic link whose target is the data.</summary>
    Symlink = 4,

    /// <summary>A directory spread over a hash array mapped trie.</summary>
    HamtShard = 5,
}
