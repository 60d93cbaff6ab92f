using System.Diagnostics;
using System.Net;
using System.Net.Http.Headers;

namespace Ipcs.Oci.Registry;

/// <summary>
/// The bytes of a blob from a registry. When the transfer breaks off or stalls, it is resumed at its position; reading throws after
/// <see cref="RegistryOptions.Tries"/> attempts without progress.
/// </summary>
internal sealed class BlobStream(RegistryClient client, string path, Descriptor descriptor, RegistryOptions options) : Sources.ForwardStream
{
    private HttpResponseMessage? _response;
    private Stream? _body;
    private long _position;
    private int _failures;

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        while (true)
        {
            string failure;
            try
            {
                _body ??= await OpenAsync(cancellationToken);
                int n = await ReadOnceAsync(buffer, cancellationToken);
                if (n > 0 || buffer.IsEmpty || _position >= descriptor.Size)
                {
                    _failures = n > 0 ? 0 : _failures;
                    _position += n;
                    Debug.Assert(n >= 0 && n <= buffer.Length, "a read returns at most what the buffer holds");
                    return n;
                }

                failure = $"ends after {_position} of {descriptor.Size} bytes";
            }
            catch (Exception e) when (e is HttpRequestException or (IOException and not ImageSourceException))
            {
                failure = $"broke off after {_position} of {descriptor.Size} bytes: {e.Message}";
            }
            catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
            {
                failure = $"stalled after {_position} of {descriptor.Size} bytes: "
                    + $"nothing was received for {options.StallTime.TotalSeconds:0.#} s";
            }

            CloseResponse();
            if (++_failures >= options.Tries)
            {
                throw new ImageSourceException($"{descriptor.Digest} {failure}, tried {_failures} times");
            }
        }
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            CloseResponse();
        }

        base.Dispose(disposing);
    }

    private async ValueTask<int> ReadOnceAsync(Memory<byte> buffer, CancellationToken cancellationToken)
    {
        ValueTask<int> read = _body!.ReadAsync(buffer, cancellationToken);
        if (read.IsCompleted)
        {
            return await read;
        }

        Task<int> pending = read.AsTask();
        try
        {
            return await pending.WaitAsync(options.StallTime, options.Time, cancellationToken);
        }
        catch (TimeoutException)
        {
            CloseResponse();
            await ((Task)pending).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            throw new OperationCanceledException();
        }
    }

    private async Task<Stream> OpenAsync(CancellationToken cancellationToken)
    {
        RangeHeaderValue? range = _position > 0 ? new RangeHeaderValue(_position, null) : null;
        _response = await client.GetAsync(path, range, resolving: false, cancellationToken);
        Stream body = await _response.Content.ReadAsStreamAsync(cancellationToken);
        if (range is null)
        {
            return body;
        }

        if (_response.StatusCode == HttpStatusCode.PartialContent)
        {
            return _response.Content.Headers.ContentRange is { From: { } from } && from == _position
                ? body
                : throw new ImageSourceException($"{descriptor.Digest}: the registry resumes at another position than requested");
        }

        if (_response.StatusCode == HttpStatusCode.RequestedRangeNotSatisfiable)
        {
            throw new ImageSourceException($"{descriptor.Digest} ends after {_position} of {descriptor.Size} bytes");
        }

        // The registry does not support ranges: the bytes up to the position are read again.
        byte[] skipped = new byte[1 << 16];
        _body = body;
        for (long left = _position; left > 0;)
        {
            int n = await ReadOnceAsync(skipped.AsMemory(0, (int)Math.Min(left, skipped.Length)), cancellationToken);
            left -= n > 0 ? n : throw new IOException("the answer ends before the position to resume at");
        }

        return body;
    }

    private void CloseResponse()
    {
        _body?.Dispose();
        _response?.Dispose();
        _body = null;
        _response = null;
    }
}
