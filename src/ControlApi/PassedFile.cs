using Ipcs.Blockstore.Posix;
using Ipcs.Oci.Sources;
using Microsoft.Win32.SafeHandles;

namespace Ipcs.ControlApi;

/// <summary>
/// A client's open file, from its first byte to the length that it had when it was opened here: bytes that are appended later are not read,
/// and a file that becomes shorter is an error. Reads into the caller's buffers, without one of its own. Owns the descriptor.
/// </summary>
internal sealed class PassedFile(SafeFileHandle file, int descriptor) : ForwardStream
{
    private readonly long _length = RandomAccess.GetLength(file);
    private long _position;

    /// <summary>Reads synchronously, since a regular file does not block.</summary>
    /// <exception cref="ApiException">The file can't be read, or became shorter.</exception>
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
            throw ApiException.Bad($"the file of descriptor {descriptor} became shorter while it was read");
        }

        _position += n;
        PassedDescriptor.SetPosition(file, _position);
        return n;
    }
}
