namespace Ipcs.Oci.Sources;

/// <summary>Opens image archives: a tar of an OCI layout, or an archive of <c>docker save</c>.</summary>
internal static class ArchiveSource
{
    /// <summary>Opens <c>FILE[:TAG]</c>, a tar of an OCI layout.</summary>
    public static async Task<IImageSource> OpenLayoutAsync(string text, CancellationToken cancellationToken)
    {
        (string file, string? tag) = Split(text);
        return new LayoutSource(await TarFiles.ReadAsync(file, cancellationToken), tag);
    }

    /// <summary>
    /// Opens <c>FILE[:NAME]</c>, an archive of <c>docker save</c>. Newer archives are OCI layouts too and are read as such, unless a name
    /// is given, which only manifest.json has.
    /// </summary>
    public static async Task<IImageSource> OpenDockerAsync(string text, CancellationToken cancellationToken)
    {
        (string file, string? name) = Split(text);
        TarFiles files = await TarFiles.ReadAsync(file, cancellationToken);
        return name is null && files.Has("index.json") && files.Has("oci-layout")
            ? new LayoutSource(files, null)
            : new DockerArchiveSource(files, name);
    }

    /// <summary>Splits at the first colon before which there is the path of a file; the rest names the image.</summary>
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
