using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;
using Ipcs.Libp2p.Security.Noise;

namespace Ipcs.Libp2p.Muxing;

/// <summary>
/// The sending half of a muxed connection. Frames are copied once, into a buffer laid out as Noise frames. A writer that finds no send in
/// progress encrypts and sends the buffer, and goes on while other writers add frames, so that the frames of many writers leave in one
/// system call. A frame is buffered whole: when the buffer is full its writer waits, and the peer's slowness reaches the application.
/// Control frames never wait: they have an overflow buffer, and a peer that makes us queue more than fits there loses the connection.
/// Owns its buffers, which are rented only while there is something to send. Thread-safe.
/// </summary>
internal sealed class FrameWriter(NoiseChannel channel, Action<string> onFailure, CancellationToken closed)
{
    /// <summary>
    /// Bytes of control frames that may wait behind a full buffer: five thousand yamux frames. Only a peer that sends requests without
    /// reading the answers causes more.
    /// </summary>
    private const int MaxControl = 64 * 1024;

    /// <summary>The least room in bytes for which a data frame is begun, unless the frame is shorter.</summary>
    private const int MinData = 4096;

    private readonly Lock _lock = new();
    private PooledBuffer? _buffer;
    private PooledBuffer? _spare;
    private int _end;
    private int _frame;
    private PooledBuffer? _control;
    private int _controlLength;
    private bool _sending;
    private bool _failed;
    private Task _sends = Task.CompletedTask;
    private TaskCompletionSource? _room;

    /// <summary>True when everything written was handed to the transport.</summary>
    public bool IsIdle
    {
        get
        {
            lock (_lock)
            {
                return !_sending && _buffer is null;
            }
        }
    }

    /// <summary>Completes when the sends in progress have ended. After <see cref="Close"/> no new ones begin.</summary>
    public Task Completion
    {
        get
        {
            lock (_lock)
            {
                return _sends;
            }
        }
    }

    /// <summary>Writes a control frame without waiting.</summary>
    public void WriteControl(scoped ReadOnlySpan<byte> frame)
    {
        bool overflow = false, send = false;
        lock (_lock)
        {
            if (_failed)
            {
                return;
            }

            if (_controlLength == 0 && Room() >= frame.Length)
            {
                Put(frame);
            }
            else if (_controlLength + frame.Length <= MaxControl)
            {
                _control ??= NoiseChannel.Buffers.RentShared(MaxControl);
                frame.CopyTo(_control.Value.Memory.Span[_controlLength..]);
                _controlLength += frame.Length;
            }
            else
            {
                overflow = true;
            }

            send = !overflow && TryBeginSending();
        }

        if (overflow)
        {
            onFailure("the peer does not read the answers to its requests");
        }
        else if (send)
        {
            Send();
        }
    }

    /// <summary>
    /// Writes a frame head and as much of its data as there is room for, waiting until there is some room; <paramref name="head"/> is
    /// called with the length of that data. Returns the length.
    /// </summary>
    /// <exception cref="IOException">The connection has ended.</exception>
    public async ValueTask<int> WriteAsync<T>(
        FrameHead<T> head, T state, ReadOnlyMemory<byte> data, bool flush, CancellationToken cancellationToken)
    {
        while (true)
        {
            if (TryWrite(head, state, data.Span, flush, out int written, out Task? wait))
            {
                return written;
            }

            await wait.WaitAsync(cancellationToken);
        }
    }

    /// <summary>Fails all waiting writers, and returns the buffers as soon as no send uses them.</summary>
    public void Close()
    {
        TaskCompletionSource? room;
        lock (_lock)
        {
            _failed = true;
            room = _room;
            _room = null;

            // A send in progress has taken its own buffer and returns it; the one that is being filled is not in use.
            Release(ref _buffer);
            Release(ref _spare);
            Release(ref _control);
        }

        room?.TrySetResult();
    }

    private static void Release(ref PooledBuffer? buffer)
    {
        if (buffer is { } rented)
        {
            buffer = null;
            NoiseChannel.Buffers.Return(rented);
        }
    }

    private bool TryWrite<T>(
        FrameHead<T> head, T state, ReadOnlySpan<byte> data, bool flush, out int written, [NotNullWhen(false)] out Task? wait)
    {
        Span<byte> bytes = stackalloc byte[FrameHead.MaxLength];
        bool send;
        lock (_lock)
        {
            if (_failed)
            {
                throw new IOException("the connection has ended");
            }

            int room = Room() - FrameHead.MaxLength;
            if (_controlLength > 0 || room < Math.Min(data.Length, MinData))
            {
                // The buffer may be full of frames written without a flush that were to be sent with this one.
                written = 0;
                _room ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
                wait = _room.Task;
                send = TryBeginSending();
            }
            else
            {
                written = Math.Min(room, data.Length);
                Put(bytes[..head(state, written, bytes)]);
                Put(data[..written]);
                wait = null;
                send = flush && TryBeginSending();
            }
        }

        if (send)
        {
            Send();
        }

        return wait is null;
    }

    /// <summary>
    /// Rents the buffer if need be. Returns how many plain bytes still fit, besides the heads and tags of their Noise frames.
    /// </summary>
    private int Room()
    {
        Debug.Assert(_lock.IsHeldByCurrentThread, "the buffer is shared");
        if (_buffer is null)
        {
            _buffer = _spare ?? NoiseChannel.Buffers.Rent(NoiseChannel.BufferLength);
            _spare = null;
            _end = NoiseChannel.HeadLength;
            _frame = 0;
        }

        // The current Noise frame may have to be ended and one more begun.
        const int Overhead = (2 * NoiseChannel.TagLength) + NoiseChannel.HeadLength;
        return NoiseChannel.BufferLength - _end - Overhead;
    }

    private void Put(scoped ReadOnlySpan<byte> data)
    {
        while (data.Length > 0)
        {
            int plain = _end - _frame - NoiseChannel.HeadLength;
            Debug.Assert(plain is >= 0 and <= NoiseChannel.MaxPlain, "a Noise frame is within its limit");
            if (plain == NoiseChannel.MaxPlain)
            {
                EndFrame();
                plain = 0;
            }

            int n = Math.Min(data.Length, NoiseChannel.MaxPlain - plain);
            data[..n].CopyTo(_buffer!.Value.Memory.Span[_end..]);
            _end += n;
            data = data[n..];
        }

        Debug.Assert(_end + NoiseChannel.TagLength <= NoiseChannel.BufferLength, "the last frame's tag fits");
    }

    /// <summary>Ends the current Noise frame: notes its length, for <see cref="SealAll"/>, and begins the next.</summary>
    private void EndFrame()
    {
        BitConverter.TryWriteBytes(_buffer!.Value.Memory.Span[_frame..], (ushort)(_end - _frame - NoiseChannel.HeadLength));
        _frame = _end + NoiseChannel.TagLength;
        _end = _frame + NoiseChannel.HeadLength;
    }

    private bool TryBeginSending()
    {
        if (_sending || _failed)
        {
            return false;
        }

        _sending = true;
        return true;
    }

    /// <summary>
    /// Starts to send and stores the task for <see cref="Completion"/>. Called by the writer for which <see cref="TryBeginSending"/> was
    /// true.
    /// </summary>
    private void Send()
    {
        Task sending = SendAsync();
        if (!sending.IsCompleted)
        {
            lock (_lock)
            {
                // An earlier send that has set _sending back may not have completed yet.
                _sends = _sends.IsCompleted ? sending : Task.WhenAll(_sends, sending);
            }
        }
    }

    private async Task SendAsync()
    {
        try
        {
            for (bool first = true; TryTakeBuffer(out PooledBuffer buffer, out int length); first = false)
            {
                if (!first)
                {
                    // The writer has sent its own frames; those of others are sent on another thread.
                    await Task.Yield();
                }

                try
                {
                    SealAll(buffer.Memory.Span[..length]);
                    await channel.SendSealedAsync(buffer.Memory[..length], closed);
                }
                finally
                {
                    Recycle(buffer);
                }
            }
        }
        catch (Exception e)
        {
            // A part of a frame may have been sent: the connection can't be used any more.
            lock (_lock)
            {
                _sending = false;
                _failed = true;
                Release(ref _buffer);
            }

            onFailure(e is OperationCanceledException ? "closed by this host" : e.Message);
        }
    }

    /// <summary>
    /// Takes the filled buffer and moves waiting control frames into a new one; false, and sending has ended, when it is empty.
    /// </summary>
    private bool TryTakeBuffer(out PooledBuffer buffer, out int length)
    {
        TaskCompletionSource? room;
        lock (_lock)
        {
            Debug.Assert(_sending, "only the sender takes the buffer");
            length = 0;
            buffer = default;
            if (_buffer is null || _end == NoiseChannel.HeadLength || _failed)
            {
                Release(ref _buffer);
                Release(ref _spare);
                _sending = false;
                return false;
            }

            EndFrame();
            length = _frame;
            buffer = _buffer.Value;
            _buffer = null;
            if (_controlLength > 0)
            {
                Room();
                Put(_control!.Value.Memory.Span[.._controlLength]);
                _controlLength = 0;
                Release(ref _control);
            }

            room = _room;
            _room = null;
        }

        room?.TrySetResult();
        return true;
    }

    private void Recycle(PooledBuffer buffer)
    {
        lock (_lock)
        {
            if (_spare is null && !_failed)
            {
                _spare = buffer;
                return;
            }
        }

        NoiseChannel.Buffers.Return(buffer);
    }

    private void SealAll(Span<byte> frames)
    {
        while (frames.Length > 0)
        {
            int plain = BitConverter.ToUInt16(frames);
            int whole = NoiseChannel.HeadLength + plain + NoiseChannel.TagLength;
            channel.Seal(frames[..whole], plain);
            frames = frames[whole..];
        }
    }
}
