using System.Buffers;
using System.Diagnostics;
using Ipcs.Blockstore.Interop;
using Ipcs.Multiformats;

namespace Ipcs.Blockstore.Compression;

/// <summary>
/// Reads the content of consecutive zstd frames and skips skippable frames: https://www.rfc-editor.org/rfc/rfc8878. Not thread-safe.
/// </summary>
/// <remarks>
/// Memory is bounded by the largest window allowed and 128 KiB of input. A read throws <see cref="InvalidDataException"/> for input that is
/// not zstd or needs a larger window, and <see cref="EndOfStreamException"/> when the input ends inside a frame.
/// </remarks>
public sealed class ZstdStream : Stream
{
    /// <summary>The largest window that every decoder must support is 8 MiB; zstd's own limit without an option is 128 MiB.</summary>
    public const int DefaultMaxWindowLog = 27;

    private const int InputLength = 1 << 17;
    private const string Purpose = "zstd stream";

    private readonly Stream _compressed;
    private readonly ZstdDecoder _decoder;
    private byte[]? _input;
    private int _start;
    private int _end;
    private bool _insideFrame;
    private bool _outputPending;

    /// <summary>Starts reading.</summary>
    /// <param name="compressed">The frames; disposed with this stream.</param>
    /// <param name="maxWindowLog">Logarithm of the largest window in bytes, 10 to 31: up to that much memory is used.</param>
    public ZstdStream(Stream compressed, int maxWindowLog = DefaultMaxWindowLog)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(maxWindowLog, 10);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(maxWindowLog, 31);
        _compressed = compressed;
        _decoder = new ZstdDecoder(maxWindowLog);
        BufferCounts.Rented(Purpose);
        _input = ArrayPool<byte>.Shared.Rent(InputLength);
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

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    public override int Read(Span<byte> buffer)
    {
        while (!buffer.IsEmpty)
        {
            if (NeedsInput && !Filled(_compressed.Read(Input, 0, InputLength)))
            {
                return 0;
            }

            if (Decompress(buffer) is > 0 and int written)
            {
                return written;
            }
        }

        return 0;
    }

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        while (!buffer.IsEmpty)
        {
            if (NeedsInput && !Filled(await _compressed.ReadAsync(Input.AsMemory(0, InputLength), cancellationToken)))
            {
                return 0;
            }

            if (Decompress(buffer.Span) is > 0 and int written)
            {
                return written;
            }
        }

        return 0;
    }

    public override void Flush()
    {
    }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    protected override void Dispose(bool disposing)
    {
        if (disposing && Interlocked.Exchange(ref _input, null) is { } input)
        {
            ArrayPool<byte>.Shared.Return(input);
            BufferCounts.Returned(Purpose);
            _decoder.Dispose();
            _compressed.Dispose();
        }

        base.Dispose(disposing);
    }

    private byte[] Input => _input ?? throw new ObjectDisposedException(nameof(ZstdStream));

    // The decoder may hold more output than the last buffer had room for: that comes before more input.
    private bool NeedsInput => _start == _end && !_outputPending;

    /// <summary>Notes how much input was read. False at the end of the input, between frames.</summary>
    private bool Filled(int count)
    {
        if (count == 0 && _insideFrame)
        {
            throw new EndOfStreamException("the data end inside a zstd frame");
        }

        (_start, _end) = (0, count);
        return count > 0;
    }

    private int Decompress(Span<byte> buffer)
    {
        Debug.Assert(!buffer.IsEmpty, "without room for output the decoder makes no progress");
        _insideFrame = !_decoder.Decompress(Input.AsSpan(_start, _end - _start), buffer, out int consumed, out int written);
        _start += consumed;
        _outputPending = _insideFrame && written == buffer.Length;
        return written;
    }
}
