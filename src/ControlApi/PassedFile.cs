using Ipcs.Blockstore.Posix;
using Ipcs.Oci.Sources;
using Microsoft.Win32.SafeHandles;

namespace Ipcs.ControlApi;

/// <summary>
/// A client's open file, from its first byte to where it ended when it was taken: what is added to it meanwhile does not count, and when it becomes
/// shorter, that is an error. Read straight into the buffers given, without one of its own. Owns the descriptor.
/// </summary>
internal sealed class PassedFile(SafeFileHandle file, int descriptor) : ForwardStream
{
    private readonly long _length = RandomAccess.GetLength(file);
    private long _position;

    /// <summary>Reads synchronously: a file's bytes come at once.</summary>
    /// <exception cref="ApiException">It can't be read, or has become shorter.</exception>
    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        return new ValueTask<int>(Read(buffer.Span[..(int)Math.Min(buffer.Length, _length - _position)]));
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            file.Dispose();
        }

        base.Dispose(disposing);
    }

    private new int Read(Span<byte> buffer)
    {
        if (buffer.IsEmpty)
        {
            return 0;
        }

        int n;
        try
        {
            n = RandomAccess.Read(file, buffer, _position);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw ApiException.Bad($"descriptor {descriptor} can't be read: {e.Message}");
        }

        if (n == 0)
        {
            throw ApiException.Bad($"the file of descriptor {descriptor} has become shorter while it was read");
        }

        _position += n;
        PassedDescriptor.SetPosition(file, _position);
        return n;
    }
}
