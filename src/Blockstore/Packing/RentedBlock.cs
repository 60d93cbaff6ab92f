using System.Buffers;

namespace Ipcs.Blockstore;

/// <summary>Bytes in pooled memory. After its disposal they can't be read.</summary>
internal sealed class RentedBlock(int length) : IMemoryOwner<byte>
{
    private byte[]? _bytes = ArrayPool<byte>.Shared.Rent(length);
    private int _length = length;

    /// <inheritdoc/>
    public Memory<byte> Memory => (_bytes ?? throw new ObjectDisposedException(nameof(RentedBlock))).AsMemory(0, _length);

    /// <summary>Only the first bytes are used. For who made it, before anybody else has it.</summary>
    public void Shorten(int length) => _length = length;

    /// <inheritdoc/>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref _bytes, null) is { } bytes)
        {
            ArrayPool<byte>.Shared.Return(bytes);
        }
    }
}
