using Ipcs.Blockstore.Posix;

namespace Ipcs.Oci.Sources;

/// <summary>Opens the files of image archives and layouts. Opening a pipe would wait for a writer, and a device may never end.</summary>
internal static class RegularFile
{
    /// <summary>Opens a file, or the file that a symbolic link leads to, for reading without a buffer.</summary>
    /// <exception cref="ImageSourceException">The path is empty, or that of a folder, a pipe, a socket or a device.</exception>
    /// <exception cref="IOException">There is no such file.</exception>
    /// <exception cref="UnauthorizedAccessException">It may not be read.</exception>
    public static FileStream Open(string path, FileOptions options)
    {
        if (path.Length == 0)
        {
            throw new ImageSourceException("the path of the image is empty");
        }

        if (Directory.Exists(path))
        {
            throw new ImageSourceException($"{path} is a folder, not a file");
        }

        string target = File.ResolveLinkTarget(path, returnFinalTarget: true)?.FullName ?? path;
        return File.Exists(target) && !FileKind.IsRegular(target)
            ? throw new ImageSourceException($"{path} is a pipe, a socket or a device, not a file")
            : new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0, options);
    }
}
