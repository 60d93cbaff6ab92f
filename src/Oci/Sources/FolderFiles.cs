namespace Ipcs.Oci.Sources;

/// <summary>The files of an OCI layout in a folder.</summary>
internal sealed class FolderFiles(string folder) : ILayoutFiles
{
    public string Name => folder;

    public Task<(Stream Bytes, long Length)> OpenAsync(string path, CancellationToken cancellationToken)
    {
        try
        {
            FileStream file = RegularFile.Open(Path.Combine(folder, path), FileOptions.SequentialScan);
            return Task.FromResult<(Stream, long)>((file, file.Length));
        }
        catch (Exception e) when (e is (IOException and not ImageSourceException) or UnauthorizedAccessException)
        {
            throw new ImageSourceException($"{folder} lacks {path}: {e.Message}", e);
        }
    }
}
