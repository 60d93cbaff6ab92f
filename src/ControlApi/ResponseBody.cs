using System.Buffers;
using System.Globalization;
using System.Text;
using Ipcs.Multiformats;

namespace Ipcs.ControlApi;

/// <summary>
/// The body of a response that may fail after its first byte: bytes, or a JSON document in pieces. The first bytes are kept
/// back, so that an error before them is still a status with a message. After them the body is chunked, and an error is the trailer
/// <c>X-Stream-Error</c>, as Kubo sends it; to a client of HTTP/1.0, which knows no chunks, the connection is closed instead.
/// Spec: https://www.rfc-editor.org/rfc/rfc9112#section-7.1. The chunks are made here, since Kestrel sends no trailers with HTTP/1.1.
/// </summary>
internal sealed class ResponseBody : Stream
{
    /// <summary>The trailer with the reason why a response ended early.</summary>
    public const string ErrorTrailer = "X-Stream-Error";

    /// <summary>The most bytes that are kept back of a response of bytes: less than a leaf of the usual size.</summary>
    public const int DefaultHeld = 1 << 16;

    /// <summary>The longest reason in bytes. A client accepts some 64 KiB of headers.</summary>
    private const int MaxReason = 4096;

    private readonly HttpContext _context;
    private readonly ArrayBufferWriter<byte> _pending = new();
    private readonly int _held;
    private readonly bool _chunked;
    private long _written;
    private bool _begun;

    /// <summary>Makes the body of a response. Its headers are set already.</summary>
    public ResponseBody(HttpContext context, int held)
    {
        _context = context;
        _held = held;
        _chunked = HttpProtocol.IsHttp11(context.Request.Protocol);
        context.Features.Set(this);
    }

    /// <summary>How many bytes were written, sent or kept back.</summary>
    public long Written => _written;

    public override bool CanRead => false;

    public override bool CanSeek => false;

    public override bool CanWrite => true;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        _written += buffer.Length;
        if (_pending.WrittenCount + buffer.Length <= _held)
        {
            _pending.Write(buffer.Span);
            return;
        }

        Begin();
        if (_pending.WrittenCount > 0)
        {
            WriteChunk(_pending.WrittenSpan);
            _pending.ResetWrittenCount();
        }

        WriteChunk(buffer.Span);
        await FlushPipeAsync(cancellationToken);
    }

    public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    /// <summary>Sends what is kept back, and ends the response.</summary>
    public async Task EndAsync(CancellationToken cancellationToken)
    {
        if (!_begun)
        {
            // All of it is here: its length is known, and it can't fail any more.
            _context.Response.ContentLength = _pending.WrittenCount;
            await _context.Response.Body.WriteAsync(_pending.WrittenMemory, cancellationToken);
            return;
        }

        if (_pending.WrittenCount > 0)
        {
            WriteChunk(_pending.WrittenSpan);
        }

        if (_chunked)
        {
            _context.Response.BodyWriter.Write("0\r\n\r\n"u8);
        }

        await FlushPipeAsync(cancellationToken);
    }

    /// <summary>Ends the response early and sends the reason. False when the connection was closed instead.</summary>
    public async Task<bool> TryFailAsync(string reason)
    {
        if (!_chunked)
        {
            return false;
        }

        byte[] value = Encoding.UTF8.GetBytes(PrintableText.Escape(reason));
        IBufferWriter<byte> output = _context.Response.BodyWriter;
        output.Write("0\r\n"u8);
        output.Write(Encoding.ASCII.GetBytes($"{ErrorTrailer}: "));
        output.Write(value.AsSpan(0, Math.Min(value.Length, MaxReason)));
        output.Write("\r\n\r\n"u8);
        await FlushPipeAsync(CancellationToken.None);
        return true;
    }

    public override void Flush()
    {
        // What is kept back is sent at the end.
    }

    public override Task FlushAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    private void Begin()
    {
        if (_begun)
        {
            return;
        }

        _begun = true;
        if (_chunked)
        {
            _context.Response.Headers.TransferEncoding = "chunked";
            _context.Response.Headers.Trailer = ErrorTrailer;
        }
    }

    private void WriteChunk(ReadOnlySpan<byte> bytes)
    {
        // A chunk of no bytes would be the last.
        if (bytes.IsEmpty)
        {
            return;
        }

        IBufferWriter<byte> output = _context.Response.BodyWriter;
        if (!_chunked)
        {
            output.Write(bytes);
            return;
        }

        Span<byte> size = stackalloc byte[sizeof(int) * 2];
        bytes.Length.TryFormat(size, out int digits, "x", CultureInfo.InvariantCulture);
        output.Write(size[..digits]);
        output.Write("\r\n"u8);
        output.Write(bytes);
        output.Write("\r\n"u8);
    }

    private async Task FlushPipeAsync(CancellationToken cancellationToken) =>
        await _context.Response.BodyWriter.FlushAsync(cancellationToken);
}
