namespace Ipcs.Oci.Sources;

/// <summary>The files of an OCI layout, in a folder or an archive.</summary>
internal interface ILayoutFiles
{
    /// <summary>The name of the folder or archive in messages.</summary>
    string Name { get; }

    /// <summary>Opens a file by its path from the root of the layout, and returns its length in bytes.</summary>
    /// <exception cref="ImageSourceException">The file does not exist.</exception>
    Task<(Stream Bytes, long Length)> OpenAsync(string path, CancellationToken cancellationToken);
}
