namespace Ipcs.CommandLine;

/// <summary>What an upload sends of a path.</summary>
internal enum UploadKind
{
    /// <summary>The bytes of a file.</summary>
    File,

    /// <summary>A directory, without its entries.</summary>
    Directory,

    /// <summary>The target of a symbolic link.</summary>
    Symlink,
}
