namespace Ipcs.ControlApi;

/// <summary>What a part of <c>add</c> is.</summary>
internal enum AddKind
{
    /// <summary>A file. The part's body is its bytes.</summary>
    File,

    /// <summary>A directory, without its entries.</summary>
    Directory,

    /// <summary>A symbolic link. The part's body is its target.</summary>
    Symlink,
}
