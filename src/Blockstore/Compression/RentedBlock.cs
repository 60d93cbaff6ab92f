using System.Buffers;
using System.Diagnostics;

namespace Ipcs.Blockstore.Compression;

/// <summary>A buffer from the shared array pool. Cannot be read after disposal, which returns it.</summary>
internal sealed class RentedBlock(int length) : IMemoryOwner<byte>
{
    private byte[]? _bytes = ArrayPool<byte>.Shared.Rent(length);
    private int _length = length;

    /// <inheritdoc/>
    public Memory<byte> Memory => (_bytes ?? throw new ObjectDisposedException(nameof(RentedBlock))).AsMemory(0, _length);

    /// <summary>Keeps only the first bytes. Called by the creator before anyone else has the buffer.</summary>
    public void Shorten(int length)
    {
        Debug.Assert(length <= _length, "shortened only");
        _length = length;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref _bytes, null) is { } bytes)
        {
            ArrayPool<byte>.Shared.Return(bytes);
        }
    }
}
