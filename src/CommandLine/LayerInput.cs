using System.Globalization;
using System.Security.Cryptography;
using System.Text.Json.Nodes;
using Ipcs.Oci.Sources;

namespace Ipcs.CommandLine;

/// <summary>
/// A layer that containerd reads for us from the daemon, piece by piece, and gives on standard input. The daemon is asked meanwhile which content it is, told
/// by its first bytes; once it has said so, the rest comes from it in one stream. That it is the right one does not depend on this: containerd compares the tar
/// with the image's diff id. Is read synchronously.
/// </summary>
internal sealed class LayerInput : ForwardStream
{
    /// <summary>How many of its bytes tell a content from others.</summary>
    private const int BeginLength = 1 << 17;

    /// <summary>Of a read from standard input: the pipe is no larger.</summary>
    private const int ReadLength = 1 << 16;

    private readonly Stream _input;
    private readonly string _apiSocket;
    private readonly Task<string?>? _asked;
    private readonly byte[] _buffer = new byte[BeginLength];
    private int _start;
    private int _end;
    private long _offset;
    private ApiClient? _client;
    private Stream? _rest;

    /// <summary>Reads the begin, and asks.</summary>
    /// <param name="input">Standard input. Not owned.</param>
    /// <param name="apiSocket">The daemon's control socket.</param>
    /// <exception cref="InvalidDataException">Nothing comes: with the daemon's reason, where it has one.</exception>
    public LayerInput(Stream input, string apiSocket)
    {
        _input = input;
        _apiSocket = apiSocket;
        _end = input.ReadAtLeast(_buffer, BeginLength, throwOnEndOfStream: false);
        if (_end == 0)
        {
            // It has ended before it began: containerd could not read the layer, and doesn't tell us why.
            throw new InvalidDataException($"nothing came on standard input{FailureAsync().GetAwaiter().GetResult()}");
        }

        // Most layers are small, and done before there were an answer.
        if (_end == BeginLength)
        {
            string hash = Convert.ToHexStringLower(SHA256.HashData(_buffer));
            _asked = Task.Run(() => AskAsync(hash));
        }
    }

    private ApiClient Client => _client ??= new ApiClient(_apiSocket);

    /// <inheritdoc/>
    /// <exception cref="CommandException">The daemon's stream broke off.</exception>
    public override int Read(Span<byte> buffer)
    {
        if (_start == _end)
        {
            if (_rest is null && _asked is { IsCompletedSuccessfully: true, Result: { } digest })
            {
                var query = GlobalOptions.Query(("arg", digest), ("offset", _offset.ToString(CultureInfo.InvariantCulture)));
                _rest = Client.OpenAsync("cat", query, CancellationToken.None).GetAwaiter().GetResult();
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

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _rest?.Dispose();
            _client?.Dispose();
        }

        base.Dispose(disposing);
    }

    /// <summary>What the daemon says of the last read that failed; empty when there is none, or nobody is there to say it.</summary>
    private async Task<string> FailureAsync()
    {
        try
        {
            JsonNode failed = await Client.CallAsync("ipcs/content/failed", [], CancellationToken.None);
            return $"; unavailable to the daemon: {(string?)failed["error"]}";
        }
        catch (Exception e) when (e is CommandException or IOException or HttpRequestException)
        {
            return string.Empty;
        }
    }

    /// <summary>Which content begins so, of those that containerd has begun to read; null when that is not sure, or nobody is there to say it.</summary>
    private async Task<string?> AskAsync(string hash)
    {
        try
        {
            var query = GlobalOptions.Query(("arg", hash), ("length", BeginLength.ToString(CultureInfo.InvariantCulture)));
            return (string?)(await Client.CallAsync("ipcs/content/reading", query, CancellationToken.None))["digest"];
        }
        catch (Exception e) when (e is CommandException or IOException or HttpRequestException)
        {
            return null;
        }
    }
}
