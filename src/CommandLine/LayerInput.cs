using System.Globalization;
using System.Security.Cryptography;
using System.Text.Json.Nodes;
using Ipcs.Oci.Sources;

namespace Ipcs.CommandLine;

/// <summary>
/// A layer that containerd reads from the daemon in small pieces and writes to this process's standard input. Of a layer that is not small
/// the daemon meanwhile looks up the digest by the hash of its first bytes; once it is known, the rest is read from the daemon in one
/// stream. A wrong digest would be noticed, since containerd compares the tar with the image's diff id. Read synchronously.
/// </summary>
internal sealed class LayerInput : ForwardStream
{
    /// <summary>How many of the first bytes identify a content.</summary>
    private const int PrefixLength = 1 << 17;

    /// <summary>
    /// After how many bytes the digest is looked up. Libraries and a client for that take longer to start than what is left of a shorter
    /// layer takes to come.
    /// </summary>
    private const int LookUpAfter = 1 << 20;

    /// <summary>How many bytes are read from standard input at a time: the capacity of the pipe.</summary>
    private const int ReadLength = 1 << 16;

    private readonly Stream _input;
    private readonly string _apiSocket;
    private readonly byte[] _prefix = new byte[PrefixLength];
    private byte[] _buffer;
    private Task<string?>? _digest;
    private int _start;
    private int _end;
    private long _offset;
    private ApiClient? _client;
    private Stream? _body;

    /// <summary>Reads the first bytes.</summary>
    /// <param name="input">Standard input. Not owned.</param>
    /// <param name="apiSocket">The daemon's control socket.</param>
    /// <exception cref="InvalidDataException">Standard input is empty. The message has the daemon's reason when there is one.</exception>
    public LayerInput(Stream input, string apiSocket)
    {
        _input = input;
        _apiSocket = apiSocket;
        _buffer = _prefix;
        _end = input.ReadAtLeast(_prefix, PrefixLength, throwOnEndOfStream: false);
        if (_end == 0)
        {
            // containerd could not read the layer, and does not pass on the reason.
            throw new InvalidDataException($"nothing came on standard input{FailureAsync().GetAwaiter().GetResult()}");
        }
    }

    private ApiClient Client => _client ??= new ApiClient(_apiSocket);

    /// <inheritdoc/>
    /// <exception cref="CommandException">The daemon's response was cut off.</exception>
    public override int Read(Span<byte> buffer)
    {
        if (_start == _end)
        {
            if (_body is null && _digest is { IsCompletedSuccessfully: true, Result: { } digest })
            {
                var query = GlobalOptions.Query(("arg", digest), ("offset", _offset.ToString(CultureInfo.InvariantCulture)));
                _body = Client.OpenAsync("cat", query, CancellationToken.None).GetAwaiter().GetResult();
            }

            if (_body is not null)
            {
                return _body.Read(buffer);
            }

            if (_digest is null && _offset >= LookUpAfter)
            {
                // With its hash in the background too: starting OpenSSL takes milliseconds.
                _digest = Task.Run(FindDigestAsync);
            }

            if (ReferenceEquals(_buffer, _prefix))
            {
                _buffer = new byte[ReadLength];
            }

            (_start, _end) = (0, _input.Read(_buffer));
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
            _body?.Dispose();
            _client?.Dispose();
        }

        base.Dispose(disposing);
    }

    /// <summary>The daemon's reason of the last read that failed; empty when there is none or the daemon does not answer.</summary>
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

    /// <summary>
    /// The digest of the content that starts with the first bytes; null when it is ambiguous or unknown, or the daemon does not answer.
    /// </summary>
    private async Task<string?> FindDigestAsync()
    {
        try
        {
            string hash = Convert.ToHexStringLower(SHA256.HashData(_prefix));
            var query = GlobalOptions.Query(("arg", hash), ("length", PrefixLength.ToString(CultureInfo.InvariantCulture)));
            return (string?)(await Client.CallAsync("ipcs/content/reading", query, CancellationToken.None))["digest"];
        }
        catch (Exception e) when (e is CommandException or IOException or HttpRequestException)
        {
            return null;
        }
    }
}
