namespace Ipcs.Oci.Sources;

/// <summary>Reads the JSON files of a layout or an archive.</summary>
internal static class LayoutDocument
{
    /// <summary>Reads a whole file.</summary>
    /// <exception cref="ImageSourceException">The file does not exist or is longer than <see cref="ImageGraph.MaxDocument"/>.</exception>
    public static async Task<byte[]> ReadAsync(ILayoutFiles files, string path, CancellationToken cancellationToken)
    {
        (Stream bytes, long length) = await files.OpenAsync(path, cancellationToken);
        await using (bytes)
        {
            if (length > ImageGraph.MaxDocument)
            {
                throw new ImageSourceException($"{files.Name}: {path} is longer than {ImageGraph.MaxDocument} bytes");
            }

            byte[] whole = new byte[length];
            int n = await bytes.ReadAtLeastAsync(whole, whole.Length, throwOnEndOfStream: false, cancellationToken);
            return n == length ? whole : throw new ImageSourceException($"{files.Name}: {path} ends early");
        }
    }
}
