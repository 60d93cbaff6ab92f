using System.Diagnostics.CodeAnalysis;
using Ipcs.Libp2p.Security.Noise;

namespace Ipcs.Libp2p.Muxing;

/// <summary>
/// The sending half of a muxed connection. Frames are copied once, into a buffer laid out as Noise frames; whoever finds nobody sending
/// seals and sends what is there, and goes on while more comes, so that many writers' frames leave in one system call.
/// A frame lies in the buffer whole: when there is no room the writer waits, and the peer's slowness reaches the application.
/// Control frames never wait: they have some room of their own, and a peer that makes us owe it more than that is cut off.
/// Owns its buffers, which are rented only while there is something to send. Thread-safe.
/// </summary>
internal sealed class FrameWriter(NoiseChannel channel, Action<string> onFailure, CancellationToken closed)
{
    /// <summary>Control frames that wait behind a full buffer, in bytes: five thousand of yamux. More comes only from a peer that asks and does not read.</summary>
    private const int MaxControl = 64 * 1024;

    /// <summary>A data frame is not begun for less room than this, in bytes, unless it is shorter itself.</summary>
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
    private TaskCompletionSource? _room;

    /// <summary>True when all has been handed to the transport.</summary>
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

    /// <summary>Writes a frame that nobody waits for.</summary>
    public void WriteControl(scoped ReadOnlySpan<byte> frame)
    {
        bool overrun = false, send = false;
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
                _control ??= PooledBuffer.Shared(MaxControl);
                frame.CopyTo(_control.Value.Memory.Span[_controlLength..]);
                _controlLength += frame.Length;
            }
            else
            {
                overrun = true;
            }

            send = !overrun && BeginSending();
        }

        if (overrun)
        {
            onFailure("the peer asks for answers and does not read them");
        }
        else if (send)
        {
            _ = SendAsync();
        }
    }

    /// <summary>
    /// Writes a frame's head and as much of its data as there is room for, waiting for some room; <paramref name="head"/> is called with how
    /// much that is. Returns how much went in.
    /// </summary>
    /// <exception cref="IOException">The connection is gone.</exception>
    public async ValueTask<int> WriteAsync<T>(FrameHead<T> head, T state, ReadOnlyMemory<byte> data, bool flush, CancellationToken cancellationToken)
    {
        while (true)
        {
            if (TryWrite(head, state, data.Span, flush, out int taken, out Task? wait))
            {
                return taken;
            }

            await wait.WaitAsync(cancellationToken);
        }
    }

    /// <summary>Ends all waiting and gives the buffers back as soon as nobody uses them.</summary>
    public void Close()
    {
        TaskCompletionSource? room;
        lock (_lock)
        {
            _failed = true;
            room = _room;
            _room = null;
            if (!_sending)
            {
                Release(ref _buffer);
            }

            Release(ref _spare);
            Release(ref _control);
        }

        room?.TrySetResult();
    }

    private static void Release(ref PooledBuffer? buffer)
    {
        if (buffer is { } rented)
        {
            NoiseChannel.Buffers.Return(rented);
            buffer = null;
        }
    }

    private bool TryWrite<T>(FrameHead<T> head, T state, ReadOnlySpan<byte> data, bool flush, out int taken, [NotNullWhen(false)] out Task? wait)
    {
        Span<byte> bytes = stackalloc byte[FrameHead.MaxLength];
        bool send;
        lock (_lock)
        {
            if (_failed)
            {
                throw new IOException("the connection is gone");
            }

            int room = Room() - FrameHead.MaxLength;
            if (_controlLength > 0 || room < Math.Min(data.Length, MinData))
            {
                // What fills the buffer may be frames that were to wait for this one.
                taken = 0;
                _room ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
                wait = _room.Task;
                send = BeginSending();
            }
            else
            {
                taken = Math.Min(room, data.Length);
                Put(bytes[..head(state, taken, bytes)]);
                Put(data[..taken]);
                wait = null;
                send = flush && BeginSending();
            }
        }

        if (send)
        {
            _ = SendAsync();
        }

        return wait is null;
    }

    /// <summary>Plain bytes that still fit, the heads and tags of their Noise frames counted.</summary>
    private int Room()
    {
        if (_buffer is null)
        {
            _buffer = _spare ?? NoiseChannel.Buffers.Rent(NoiseChannel.BufferLength);
            _spare = null;
            _end = NoiseChannel.HeadLength;
            _frame = 0;
        }

        // The frame begun may have to be ended and one more opened.
        const int Overhead = (2 * NoiseChannel.TagLength) + NoiseChannel.HeadLength;
        return NoiseChannel.BufferLength - _end - Overhead;
    }

    private void Put(scoped ReadOnlySpan<byte> data)
    {
        while (data.Length > 0)
        {
            int plain = _end - _frame - NoiseChannel.HeadLength;
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
    }

    /// <summary>Notes the length of the frame that is complete, for <see cref="SealAll"/>, and opens the next.</summary>
    private void EndFrame()
    {
        BitConverter.TryWriteBytes(_buffer!.Value.Memory.Span[_frame..], (ushort)(_end - _frame - NoiseChannel.HeadLength));
        _frame = _end + NoiseChannel.TagLength;
        _end = _frame + NoiseChannel.HeadLength;
    }

    private bool BeginSending()
    {
        if (_sending || _failed)
        {
            return false;
        }

        _sending = true;
        return true;
    }

    /// <summary>Sends until nothing is left. One at a time: who set <see cref="_sending"/> calls it.</summary>
    private async Task SendAsync()
    {
        try
        {
            for (bool first = true; TryTake(out PooledBuffer buffer, out int length); first = false)
            {
                if (!first)
                {
                    // Whoever began has sent its own: the rest is not its work.
                    await Task.Yield();
                }

                try
                {
                    SealAll(buffer.Memory.Span[..length]);
                    await channel.SendSealedAsync(buffer.Memory[..length], closed);
                }
                finally
                {
                    KeepSpare(buffer);
                }
            }
        }
        catch (Exception e)
        {
            // Half a frame may be out: nothing more can be sent on this connection.
            lock (_lock)
            {
                _sending = false;
                _failed = true;
                Release(ref _buffer);
            }

            onFailure(e is OperationCanceledException ? "closed here" : e.Message);
        }
    }

    private bool TryTake(out PooledBuffer buffer, out int length)
    {
        TaskCompletionSource? room;
        lock (_lock)
        {
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

    private void KeepSpare(PooledBuffer buffer)
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

/// <summary>Writes the head of a data frame of the given length; returns the head's length.</summary>
internal delegate int FrameHead<in T>(T state, int length, Span<byte> output);

/// <summary>What all heads share.</summary>
internal static class FrameHead
{
    /// <summary>The longest head of any muxer, in bytes: mplex with two varints.</summary>
    public const int MaxLength = 20;
}
