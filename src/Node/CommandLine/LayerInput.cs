using System.Globalization;
using System.Security.Cryptography;

namespace Ipcs.Node.CommandLine;

/// <summary>
/// A layer that containerd reads for us from the daemon, piece by piece, and gives on standard input. The daemon is asked meanwhile which content it is, told
/// by its first bytes; once it has said so, the rest comes from it in one stream. That it is the right one does not depend on this: containerd compares the tar
/// with the image's diff id. Is read synchronously.
/// </summary>
internal sealed class LayerInput : Stream
{
    /// <summary>How many of its bytes tell a content from others.</summary>
    private const int BeginLength = 1 << 17;

    /// <summary>Of a read from standard input: the pipe is no larger.</summary>
    private const int ReadLength = 1 << 16;

    private readonly Stream _input;
    private readonly ApiClient _client;
    private readonly Task<string?> _asked;
    private readonly byte[] _buffer = new byte[BeginLength];
    private int _start;
    private int _end;
    private long _offset;
    private Stream? _rest;

    /// <summary>Reads the begin, and asks.</summary>
    /// <param name="input">Standard input. Not owned.</param>
    /// <param name="apiSocket">The daemon's control socket.</param>
    public LayerInput(Stream input, string apiSocket)
    {
        _input = input;
        _client = new ApiClient(apiSocket);
        _end = input.ReadAtLeast(_buffer, BeginLength, throwOnEndOfStream: false);
        if (_end == 0)
        {
            // It has ended before it began: containerd has lost its content store.
            throw new InvalidDataException("nothing came on standard input");
        }

        string hash = Convert.ToHexStringLower(SHA256.HashData(_buffer.AsSpan(0, _end)));
        _asked = _end < BeginLength ? Task.FromResult<string?>(null) : Task.Run(() => AskAsync(hash));
    }

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    /// <inheritdoc/>
    /// <exception cref="CommandException">The daemon's stream broke off.</exception>
    public override int Read(Span<byte> buffer)
    {
        if (_start == _end)
        {
            if (_rest is null && _asked is { IsCompletedSuccessfully: true, Result: { } digest })
            {
                var query = GlobalOptions.Query(("arg", digest), ("offset", _offset.ToString(CultureInfo.InvariantCulture)));
                _rest = _client.OpenAsync("cat", query, CancellationToken.None).GetAwaiter().GetResult();
            }

            if (_rest is not null)
            {
                return _rest.Read(buffer);
            }

            (_start, _end) = (0, _input.Read(_buffer.AsSpan(0, ReadLength)));
        }

        int n = Math.Min(buffer.Length, _end - _start);
        _buffer.AsSpan(_start, n).CopyTo(buffer);
        _start += n;
        _offset += n;
        return n;
    }

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    public override void Flush()
    {
        // Nothing is written.
    }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _rest?.Dispose();
            _client.Dispose();
        }

        base.Dispose(disposing);
    }

    /// <summary>Which content begins so, of those that containerd has begun to read; null when that is not sure, or nobody is there to say it.</summary>
    private async Task<string?> AskAsync(string hash)
    {
        try
        {
            var query = GlobalOptions.Query(("arg", hash), ("length", BeginLength.ToString(CultureInfo.InvariantCulture)));
            return (string?)(await _client.CallAsync("ipcs/content/reading", query, CancellationToken.None))["digest"];
        }
        catch (Exception e) when (e is CommandException or IOException or HttpRequestException)
        {
            return null;
        }
    }
}
