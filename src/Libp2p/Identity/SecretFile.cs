namespace Ipcs.Libp2p.Identity;

/// <summary>Creates files with keys.</summary>
internal static class SecretFile
{
    /// <summary>Creates a file that only its owner can read, mode 0600. It is there whole or not at all.</summary>
    /// <exception cref="IOException">The file exists already, which is left as it is, or can't be written.</exception>
    public static void Create(string path, ReadOnlySpan<byte> bytes)
    {
        string partial = path + ".new";
        using (var file = new FileStream(partial, new FileStreamOptions
        {
            Mode = FileMode.Create,
            Access = FileAccess.Write,
            UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
        }))
        {
            file.Write(bytes);
            file.Flush(flushToDisk: true);
        }

        try
        {
            File.Move(partial, path, overwrite: false);
        }
        catch (IOException)
        {
            File.Delete(partial);
            throw;
        }
    }
}
