namespace Ipcs.Oci.Sources;

/// <summary>Opens image archives: an OCI layout in a tar, or what <c>docker save</c> writes.</summary>
internal static class ArchiveSource
{
    /// <summary>Opens <c>FILE[:TAG]</c>, an OCI layout in a tar.</summary>
    public static async Task<IImageSource> OpenLayoutAsync(string text, CancellationToken cancellationToken)
    {
        (string file, string? tag) = Split(text);
        return new LayoutSource(await TarFiles.ReadAsync(file, cancellationToken), tag);
    }

    /// <summary>Opens <c>FILE[:NAME]</c>, an archive of <c>docker save</c>. Newer ones are OCI layouts too; those are read as such unless a name asks for the other table.</summary>
    public static async Task<IImageSource> OpenDockerAsync(string text, CancellationToken cancellationToken)
    {
        (string file, string? name) = Split(text);
        TarFiles files = await TarFiles.ReadAsync(file, cancellationToken);
        return name is null && files.Has("index.json") && files.Has("oci-layout")
            ? new LayoutSource(files, null)
            : new DockerArchiveSource(files, name);
    }

    /// <summary>The file is the shortest part before a colon that is there; what follows names the image.</summary>
    private static (string File, string? Name) Split(string text)
    {
        for (int colon = text.IndexOf(':', StringComparison.Ordinal); colon > 0; colon = text.IndexOf(':', colon + 1))
        {
            if (File.Exists(text[..colon]))
            {
                return (text[..colon], text[(colon + 1)..]);
            }
        }

        return (text, null);
    }
}
