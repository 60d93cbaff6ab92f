namespace Ipcs.Dag.UnixFs;

/// <summary>The type of a UnixFS node. The values are those on the wire.</summary>
public enum UnixFsType
{
    /// <summary>A leaf of bytes, in trickle layouts and old files.</summary>
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
