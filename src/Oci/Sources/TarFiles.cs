using System.Diagnostics;
using System.Formats.Tar;
using System.IO.Compression;

namespace Ipcs.Oci.Sources;

/// <summary>
/// The files in a tar. One scan finds their offsets, at which they are read later. A gzipped tar is decompressed from its beginning for
/// each file: slower, but without a temporary copy.
/// </summary>
internal sealed class TarFiles : ILayoutFiles
{
    /// <summary>The most entries: an image archive has a file per layer and a few more.</summary>
    private const int MaxEntries = 1 << 16;

    /// <summary>The longest tar in a gzipped archive, in bytes.</summary>
    private const long MaxUnpacked = 1L << 40;

    /// <summary>The longest chain of links that is followed.</summary>
    private const int MaxLinks = 4;

    private readonly string _file;
    private readonly bool _gzip;
    private readonly Dictionary<string, (long Offset, long Length)> _files = new(StringComparer.Ordinal);
    private readonly Dictionary<string, string> _links = new(StringComparer.Ordinal);

    private TarFiles(string file, bool gzip)
    {
        _file = file;
        _gzip = gzip;
    }

    public string Name => _file;

    /// <summary>Scans an archive.</summary>
    /// <exception cref="ImageSourceException">The file is no tar or is over a bound.</exception>
    public static async Task<TarFiles> ReadAsync(string file, CancellationToken cancellationToken)
    {
        try
        {
            byte[] magic = new byte[2];
            await using (FileStream begin = RegularFile.Open(file, FileOptions.None))
            {
                await begin.ReadExactlyAsync(magic, cancellationToken);
            }

            var files = new TarFiles(file, magic is [0x1f, 0x8b]);
            await files.ScanAsync(cancellationToken);
            return files;
        }
        catch (Exception e) when (e
            is InvalidDataException or EndOfStreamException or UnauthorizedAccessException or (IOException and not ImageSourceException)
            or OverflowException or ArgumentException or FormatException)
        {
            // TarReader throws the last three for invalid numbers and times.
            throw new ImageSourceException($"cannot read {file} as a tar: {e.Message}", e);
        }
    }

    public bool Has(string path) => TryFind(path, out _);

    public async Task<(Stream Bytes, long Length)> OpenAsync(string path, CancellationToken cancellationToken)
    {
        if (!TryFind(path, out (long Offset, long Length) place))
        {
            throw new ImageSourceException($"{_file} lacks {path}");
        }

        Debug.Assert(place is { Offset: >= 0, Length: >= 0 }, "the scan finds valid slices only");
        Stream bytes = Open();
        try
        {
            await SkipAsync(bytes, place.Offset, cancellationToken);
            return (new FileSlice(bytes, place.Length), place.Length);
        }
        catch
        {
            await bytes.DisposeAsync();
            throw;
        }
    }

    private static async Task SkipAsync(Stream bytes, long offset, CancellationToken cancellationToken)
    {
        if (bytes.CanSeek)
        {
            bytes.Seek(offset, SeekOrigin.Begin);
            return;
        }

        byte[] buffer = new byte[1 << 16];
        for (long left = offset; left > 0;)
        {
            int n = await bytes.ReadAsync(buffer.AsMemory(0, (int)Math.Min(left, buffer.Length)), cancellationToken);
            Debug.Assert(n <= left, "no byte of the file is skipped");
            left -= n > 0 ? n : throw new ImageSourceException($"the archive ends {left} bytes early");
        }
    }

    private async Task ScanAsync(CancellationToken cancellationToken)
    {
        // A gzip stream has no positions: offsets in it are counted.
        await using var counting = new CountingStream(Open(), MaxUnpacked);
        await using var reader = new TarReader(counting);
        while (await reader.GetNextEntryAsync(copyData: false, cancellationToken) is { } entry)
        {
            if (_files.Count + _links.Count == MaxEntries)
            {
                throw new ImageSourceException($"{_file} has more than {MaxEntries} entries, more than an image archive has");
            }

            string name = Normalize(entry.Name);
            if (entry.EntryType is TarEntryType.RegularFile or TarEntryType.V7RegularFile)
            {
                _files[name] = (_gzip ? counting.Count : entry.DataOffset, entry.Length);
            }
            else if (entry.EntryType is TarEntryType.SymbolicLink or TarEntryType.HardLink)
            {
                // Old versions of Docker save a layer once and link to it.
                bool hard = entry.EntryType == TarEntryType.HardLink;
                _links[name] = Normalize(hard ? entry.LinkName : Beside(name, entry.LinkName));
            }
        }
    }

    private bool TryFind(string path, out (long Offset, long Length) place)
    {
        path = Normalize(path);
        for (int i = 0; i < MaxLinks && _links.TryGetValue(path, out string? target) && !_files.ContainsKey(path); i++)
        {
            path = target;
        }

        return _files.TryGetValue(path, out place);
    }

    private Stream Open()
    {
        FileStream file = RegularFile.Open(_file, FileOptions.None);
        return _gzip ? new GZipStream(file, CompressionMode.Decompress) : file;
    }

    private static string Beside(string name, string link) =>
        name.LastIndexOf('/') is > 0 and var slash ? name[..slash] + "/" + link : link;

    /// <summary>
    /// A path without <c>.</c>, <c>..</c> and empty parts. It is only looked up among the names of the archive, never on disk.
    /// </summary>
    private static string Normalize(string path)
    {
        var parts = new List<string>();
        foreach (string part in path.Split('/'))
        {
            if (part == ".." && parts.Count > 0)
            {
                parts.RemoveAt(parts.Count - 1);
            }
            else if (part is not ("" or "." or ".."))
            {
                parts.Add(part);
            }
        }

        return string.Join('/', parts);
    }
}
