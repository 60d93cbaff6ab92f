using System.Buffers;
using System.Diagnostics;
using Ipcs.Multiformats;

namespace Ipcs.Blockstore.Compression;

/// <summary>A buffer from the shared array pool. Cannot be read after disposal, which returns it.</summary>
internal sealed class RentedBlock : IMemoryOwner<byte>
{
    private const string Purpose = "compressed or decompressed block";

    private byte[]? _bytes;
    private int _length;

    public RentedBlock(int length)
    {
        BufferCounts.Rented(Purpose);
        _bytes = ArrayPool<byte>.Shared.Rent(length);
        _length = length;
    }

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
            BufferCounts.Returned(Purpose);
        }
    }
}
