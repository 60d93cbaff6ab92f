using System.Net;
using System.Net.Http.Headers;
using System.Text;
using Ipcs.Blockstore.Posix;

namespace Ipcs.CommandLine;

/// <summary>
/// Files, folders and links as <c>multipart/form-data</c> in the shape of Kubo's clients: the path escaped in <c>filename</c>, the kind as
/// the part's content type. Streamed: files are opened one after the other. Files that are passed to the daemon have their descriptors in their parts' heads,
/// and no body.
/// </summary>
internal sealed class UploadContent : HttpContent
{
    private const int BufferLength = 1 << 18;

    /// <summary>
    /// From here on the length is told, which saves the daemon a copy. Below it files may be the kernel's, whose lengths are not what is in them.
    /// </summary>
    private const long MinToldLength = 1 << 20;

    private readonly string _boundary = $"ipcs-{Guid.NewGuid():N}";
    private readonly IReadOnlyList<UploadEntry> _entries;
    private readonly PassedFiles? _passed;
    private readonly TransferDisplay _progress;
    private readonly long? _length;

    public UploadContent(IReadOnlyList<UploadEntry> entries, PassedFiles? passed = null)
    {
        _entries = entries;
        _passed = passed;
        _progress = new TransferDisplay(entries.Any(e => e is { Kind: UploadKind.File, Length: null }) ? null : entries.Sum(e => e.Length ?? 0), passed is null ? null : passed.TakeRead);
        _length = Length();
        Headers.ContentType = new MediaTypeHeaderValue("multipart/form-data") { Parameters = { new NameValueHeaderValue("boundary", _boundary) } };
    }

    /// <summary>One file, or standard input.</summary>
    public static UploadContent OfFile(string path) => new(
        Directory.Exists(path) ? throw new CommandException($"{path} is a folder")
        : path == "-" || File.Exists(path) ? [new UploadEntry(UploadKind.File, path == "-" ? "" : Path.GetFileName(path), path, path == "-" ? null : new FileInfo(path).Length)]
        : throw new CommandException($"{path} is not there"));

    protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) =>
        SerializeToStreamAsync(stream, context, CancellationToken.None);

    protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context, CancellationToken cancellationToken)
    {
        byte[] buffer = new byte[BufferLength];
        foreach (UploadEntry entry in _entries)
        {
            await stream.WriteAsync(Head(entry), cancellationToken);
            if (entry.Kind == UploadKind.Symlink)
            {
                string target = new FileInfo(entry.Path).LinkTarget ?? throw new CommandException($"{entry.Path} is a symbolic link no more");
                await stream.WriteAsync(Encoding.UTF8.GetBytes(target), cancellationToken);
            }
            else if (entry.Kind == UploadKind.File && !IsPassed(entry))
            {
                await SendFileAsync(entry, stream, buffer, cancellationToken);
            }
        }

        await stream.WriteAsync(End(), cancellationToken);
        if (_passed is null)
        {
            _progress.Dispose();
        }
    }

    protected override bool TryComputeLength(out long length)
    {
        length = _length ?? 0;
        return _length is not null;
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _progress.Dispose();
        }

        base.Dispose(disposing);
    }

    // A file that has a length and yet reads as empty, or the other way round, is not one whose length may be told.
    private long? Length()
    {
        long length = End().Length;
        foreach (UploadEntry entry in _entries)
        {
            if (entry is { Kind: UploadKind.Symlink } or { Kind: UploadKind.File, Length: null or 0 })
            {
                return null;
            }

            length += Head(entry).Length + (IsPassed(entry) ? 0 : entry.Length ?? 0);
        }

        return length >= MinToldLength ? length : null;
    }

    private bool IsPassed(in UploadEntry entry) => _passed?.Number(entry) is not null;

    private byte[] End() => Encoding.ASCII.GetBytes($"\r\n--{_boundary}--\r\n");

    /// <summary>Sends a file's bytes; where the length has been told, as many as it had then.</summary>
    private async Task SendFileAsync(UploadEntry entry, Stream stream, byte[] buffer, CancellationToken cancellationToken)
    {
        await using Stream file = Open(entry.Path);
        long left = _length is null ? long.MaxValue : entry.Length!.Value;
        while (left > 0)
        {
            int n = await ReadAsync(file, entry, buffer.AsMemory(0, (int)Math.Min(buffer.Length, left)), cancellationToken);
            if (n == 0)
            {
                break;
            }

            await stream.WriteAsync(buffer.AsMemory(0, n), cancellationToken);
            _progress.Add(n);
            left -= n;
        }

        if (_length is not null && left > 0)
        {
            throw new CommandException($"{entry.Path} has become shorter while it was read");
        }
    }

    // Errors of our own side are the user's to read; an IOException here would be taken for the connection's.
    private static Stream Open(string path)
    {
        try
        {
            return path == "-" ? Console.OpenStandardInput() : new FileStream(path, new FileStreamOptions { BufferSize = 0, Options = FileOptions.SequentialScan });
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CommandException(e.Message);
        }
    }

    // What is typed or piped may never come: there the wait, not the read, ends with the token. What has a length comes at once.
    private static async ValueTask<int> ReadAsync(Stream file, UploadEntry entry, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        try
        {
            return entry.Length is not null
                ? file.Read(buffer.Span)
                : await Task.Run(() => file.Read(buffer.Span), CancellationToken.None).WaitAsync(cancellationToken);
        }
        catch (IOException e)
        {
            throw new CommandException($"{entry.Path}: {e.Message}");
        }
    }

    private byte[] Head(UploadEntry entry)
    {
        string type = entry.Kind switch
        {
            UploadKind.Directory => "application/x-directory",
            UploadKind.Symlink => "application/symlink",
            _ => "application/octet-stream",
        };
        string line = entry == _entries[0] ? "" : "\r\n";
        string passed = _passed?.Number(entry) is { } number ? $"{PassedDescriptor.Header}: {number}\r\n" : "";
        return Encoding.UTF8.GetBytes(
            $"{line}--{_boundary}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{Uri.EscapeDataString(entry.Name)}\"\r\nContent-Type: {type}\r\n{passed}\r\n");
    }
}
