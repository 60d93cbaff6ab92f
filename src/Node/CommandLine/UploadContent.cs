using System.Net;
using System.Net.Http.Headers;
using System.Text;

namespace Ipcs.Node.CommandLine;

/// <summary>
/// Files, folders and links as <c>multipart/form-data</c> in the shape of Kubo's clients: the path escaped in <c>filename</c>, the kind as
/// the part's content type. Streamed: files are opened one after the other.
/// </summary>
internal sealed class UploadContent : HttpContent
{
    private const int BufferLength = 1 << 18;

    private readonly string _boundary = $"ipcs-{Guid.NewGuid():N}";
    private readonly IReadOnlyList<UploadEntry> _entries;
    private readonly TransferProgress _progress;

    public UploadContent(IReadOnlyList<UploadEntry> entries)
    {
        _entries = entries;
        _progress = new TransferProgress(entries.Any(e => e is { Kind: UploadKind.File, Length: null }) ? null : entries.Sum(e => e.Length ?? 0));
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
            else if (entry.Kind == UploadKind.File)
            {
                await using Stream file = Open(entry.Path);
                for (int n; (n = await ReadAsync(file, entry.Path, buffer, cancellationToken)) > 0;)
                {
                    await stream.WriteAsync(buffer.AsMemory(0, n), cancellationToken);
                    _progress.Add(n);
                }
            }
        }

        await stream.WriteAsync(Encoding.ASCII.GetBytes($"\r\n--{_boundary}--\r\n"), cancellationToken);
        _progress.Dispose();
    }

    protected override bool TryComputeLength(out long length)
    {
        length = 0;
        return false;
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _progress.Dispose();
        }

        base.Dispose(disposing);
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

    // The wait, not the read, ends with the token: what is typed or piped may never come.
    private static async ValueTask<int> ReadAsync(Stream file, string path, byte[] buffer, CancellationToken cancellationToken)
    {
        try
        {
            return await Task.Run(() => file.Read(buffer, 0, buffer.Length), CancellationToken.None).WaitAsync(cancellationToken);
        }
        catch (IOException e)
        {
            throw new CommandException($"{path}: {e.Message}");
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
        return Encoding.UTF8.GetBytes(
            $"{line}--{_boundary}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{Uri.EscapeDataString(entry.Name)}\"\r\nContent-Type: {type}\r\n\r\n");
    }
}
