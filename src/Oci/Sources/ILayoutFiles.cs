namespace Ipcs.Oci.Sources;

/// <summary>The files of an OCI layout, in a folder or an archive.</summary>
internal interface ILayoutFiles
{
    /// <summary>What it is called in messages.</summary>
    string Name { get; }

    /// <summary>Opens a file by its path from the layout's root, with its length in bytes.</summary>
    /// <exception cref="ImageSourceException">It is not there.</exception>
    Task<(Stream Bytes, long Length)> OpenAsync(string path, CancellationToken cancellationToken);
}
