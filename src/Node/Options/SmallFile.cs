namespace Ipcs.Node.Options;

/// <summary>
/// Reads small text files that an option names. A pipe is read to its end; a device that never ends is only read to the bound.
/// </summary>
internal static class SmallFile
{
    /// <summary>Reads a file as text.</summary>
    /// <param name="file">The path.</param>
    /// <param name="maxLength">The most bytes that it may have. A longer one is another file by mistake.</param>
    /// <exception cref="OptionsException">The file can't be read, is a folder, or is longer.</exception>
    public static string ReadText(string file, int maxLength)
    {
        if (Directory.Exists(file))
        {
            throw new OptionsException($"{file}: is a folder, not a file");
        }

        byte[] buffer = new byte[maxLength + 1];
        int length;
        try
        {
            using FileStream stream = File.OpenRead(file);
            length = stream.ReadAtLeast(buffer, buffer.Length, throwOnEndOfStream: false);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new OptionsException($"{file}: {e.Message}");
        }

        if (length > maxLength)
        {
            throw new OptionsException($"{file}: longer than {maxLength} bytes");
        }

        using var text = new StreamReader(new MemoryStream(buffer, 0, length));
        return text.ReadToEnd();
    }
}
