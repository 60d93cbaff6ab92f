using System.Runtime.InteropServices;

namespace Ipcs.CommandLine;

/// <summary>
/// Standard output that reports EPIPE, which the runtime's own stream hides (<c>ipcs cat … | head</c> would transfer the whole file), and
/// that writes at the descriptor's offset, which several processes may share.
/// </summary>
internal sealed partial class StandardOutput : Stream
{
    // errno of Linux: https://man7.org/linux/man-pages/man3/errno.3.html
    private const int Interrupted = 4;
    private const int Again = 11;
    private const int BrokenPipe = 32;
    private const int Descriptor = 1;

    // https://man7.org/linux/man-pages/man2/poll.2.html
    private const short PollOut = 4;

    public override bool CanRead => false;

    public override bool CanSeek => false;

    public override bool CanWrite => true;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    /// <inheritdoc/>
    /// <exception cref="BrokenPipeException">The reader has closed the pipe.</exception>
    /// <exception cref="IOException">Writing failed for another reason, such as a full disk.</exception>
    public override unsafe void Write(ReadOnlySpan<byte> buffer)
    {
        while (!buffer.IsEmpty)
        {
            nint n;
            fixed (byte* bytes = buffer)
            {
                n = write(Descriptor, bytes, (nuint)buffer.Length);
            }

            if (n >= 0)
            {
                buffer = buffer[(int)n..];
                continue;
            }

            switch (Marshal.GetLastPInvokeError())
            {
                case Interrupted:
                    break;
                case Again:
                    WaitForRoom();
                    break;
                case BrokenPipe:
                    throw new BrokenPipeException();
                case var error:
                    throw new IOException($"standard output: {Marshal.GetPInvokeErrorMessage(error)}");
            }
        }
    }

    /// <summary>Cancels the wait and not the write, so that an interrupted command ends even when its reader has stopped reading.</summary>
    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default) =>
        await Task.Run(() => Write(buffer.Span), CancellationToken.None).WaitAsync(cancellationToken);

    public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

    public override void Flush()
    {
        // Nothing is buffered.
    }

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    /// <summary>Waits until a descriptor that another process has made non-blocking can be written to.</summary>
    private static void WaitForRoom()
    {
        var one = new PollDescriptor { Descriptor = Descriptor, Events = PollOut };
        _ = poll(ref one, 1, -1);
    }

    [LibraryImport("libc", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int poll(ref PollDescriptor descriptors, nuint count, int milliseconds);

    // https://man7.org/linux/man-pages/man2/write.2.html
    [LibraryImport("libc", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static unsafe partial nint write(int descriptor, byte* bytes, nuint count);

    private struct PollDescriptor
    {
        public int Descriptor;
        public short Events;
        public short Returned;
    }
}
