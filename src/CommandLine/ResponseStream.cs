using System.Globalization;
using Ipcs.Oci.Sources;

namespace Ipcs.CommandLine;

/// <summary>
/// The body of a response. One that ends early is a <see cref="CommandException"/> with the daemon's reason: the trailer
/// <c>X-Stream-Error</c>, or that the connection was closed. Owns the response.
/// </summary>
internal sealed class ResponseStream : ForwardStream
{
    private const string ErrorTrailer = "X-Stream-Error";

    /// <summary>The header with the length of a body that is chunked.</summary>
    private const string LengthHeader = "X-Content-Length";

    private readonly HttpResponseMessage _response;
    private readonly Stream _body;
    private long _read;

    private ResponseStream(HttpResponseMessage response, Stream body)
    {
        _response = response;
        _body = body;
        Expected = response.Content.Headers.ContentLength
            ?? (response.Headers.TryGetValues(LengthHeader, out IEnumerable<string>? values)
                && long.TryParse(values.First(), NumberStyles.None, CultureInfo.InvariantCulture, out long length)
                    ? length
                    : null);
    }

    /// <summary>How many bytes the body has; null when that is not known.</summary>
    public long? Expected { get; }

    /// <summary>Opens the body of a response.</summary>
    public static async Task<ResponseStream> OpenAsync(HttpResponseMessage response, CancellationToken cancellationToken) =>
        new(response, await response.Content.ReadAsStreamAsync(cancellationToken));

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        try
        {
            return Count(await _body.ReadAsync(buffer, cancellationToken), buffer.Length);
        }
        catch (Exception e) when (IsConnectionError(e))
        {
            throw BrokenOff(e.Message);
        }
    }

    public override int Read(Span<byte> buffer)
    {
        try
        {
            return Count(_body.Read(buffer), buffer.Length);
        }
        catch (Exception e) when (IsConnectionError(e))
        {
            throw BrokenOff(e.Message);
        }
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _body.Dispose();
            _response.Dispose();
        }

        base.Dispose(disposing);
    }

    private static bool IsConnectionError(Exception e) => e is HttpRequestException or IOException;

    private int Count(int n, int asked)
    {
        _read += n;
        if (n == 0 && asked > 0)
        {
            CheckEnd();
        }

        return n;
    }

    private void CheckEnd()
    {
        if (_response.TrailingHeaders.TryGetValues(ErrorTrailer, out IEnumerable<string>? reason))
        {
            throw BrokenOff(string.Join(", ", reason));
        }

        if (Expected is { } expected && _read != expected)
        {
            throw BrokenOff($"it said that there are {expected}");
        }
    }

    private CommandException BrokenOff(string reason) => new($"the daemon broke off the answer after {_read} bytes: {reason}");
}
