using System.Net;
using System.Net.Http.Headers;
using System.Text;
using Ipcs.Blockstore.Posix;

namespace Ipcs.CommandLine;

/// <summary>
/// Files, directories and symbolic links as <c>multipart/form-data</c>, as Kubo's clients send them: the escaped path in <c>filename</c>,
/// the kind as the part's content type. Streamed: files are opened one after the other. The part of a file that is passed to the daemon has
/// the descriptor in its head, and no body.
/// </summary>
internal sealed class UploadContent : HttpContent
{
    private const int BufferLength = 1 << 18;

    /// <summary>
    /// The body length in bytes from which it is sent as Content-Length, which saves the daemon a copy. Small files may be the kernel's, in
    /// /proc and /sys, whose lengths are not those of their contents.
    /// </summary>
    private const long MinDeclaredLength = 1 << 20;

    private readonly string _boundary = $"ipcs-{Guid.NewGuid():N}";
    private readonly IReadOnlyList<UploadEntry> _entries;
    private readonly PassedFiles? _passed;
    private readonly TransferDisplay _progress;
    private readonly long? _length;

    public UploadContent(IReadOnlyList<UploadEntry> entries, TimeProvider time, PassedFiles? passed = null)
    {
        _entries = entries;
        _passed = passed;
        bool unknown = entries.Any(e => e is { Kind: UploadKind.File, Length: null });
        _progress = new TransferDisplay(time, unknown ? null : entries.Sum(e => e.Length ?? 0), passed is null ? null : passed.TakeRead);
        _length = Length();
        Headers.ContentType = new MediaTypeHeaderValue("multipart/form-data")
        {
            Parameters = { new NameValueHeaderValue("boundary", _boundary) },
        };
    }

    /// <summary>The upload of one file, or of standard input.</summary>
    /// <exception cref="CommandException">The file does not exist.</exception>
    public static UploadContent OfFile(string path, TimeProvider time)
    {
        UploadEntry entry = path == "-" ? new UploadEntry(UploadKind.File, "", path, null)
            : Directory.Exists(path) ? throw new CommandException($"{path} is a directory")
            : File.Exists(path) ? new UploadEntry(UploadKind.File, Path.GetFileName(path), path, new FileInfo(path).Length)
            : throw new CommandException($"{path} does not exist");
        return new UploadContent([entry], time);
    }

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
                string target = new FileInfo(entry.Path).LinkTarget
                    ?? throw new CommandException($"{entry.Path} is no longer a symbolic link");
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

    // Null when the length can't be relied on: that of a link's target may change, and an empty file may be one of the kernel's.
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

        return length >= MinDeclaredLength ? length : null;
    }

    private bool IsPassed(in UploadEntry entry) => _passed?.Number(entry) is not null;

    private byte[] End() => Encoding.ASCII.GetBytes($"\r\n--{_boundary}--\r\n");

    /// <summary>Sends a file's bytes; with a declared length exactly as many.</summary>
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
            throw new CommandException($"{entry.Path} became shorter while it was read");
        }
    }

    // An IOException would be taken for one of the connection to the daemon.
    private static Stream Open(string path)
    {
        try
        {
            return path == "-"
                ? Console.OpenStandardInput()
                : new FileStream(path, new FileStreamOptions { BufferSize = 0, Options = FileOptions.SequentialScan });
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CommandException(e.Message);
        }
    }

    // A read from a terminal or pipe may never return, so the token cancels the wait and not the read. A regular file does not block.
    private static async ValueTask<int> ReadAsync(
        Stream file, UploadEntry entry, Memory<byte> buffer, CancellationToken cancellationToken)
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
        string disposition = $"form-data; name=\"file\"; filename=\"{Uri.EscapeDataString(entry.Name)}\"";
        return Encoding.UTF8.GetBytes(
            $"{line}--{_boundary}\r\nContent-Disposition: {disposition}\r\nContent-Type: {type}\r\n{passed}\r\n");
    }
}
