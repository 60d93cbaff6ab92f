using System.Buffers;

namespace Ipcs.Blockstore.Memory;

/// <summary>A block that a caller reads. Cannot be read after disposal, as with the store on disk.</summary>
internal sealed class ArrayOwner(byte[] bytes) : IMemoryOwner<byte>
{
    private byte[]? _bytes = bytes;

    public Memory<byte> Memory => _bytes ?? throw new ObjectDisposedException(nameof(ArrayOwner));

    public void Dispose() => _bytes = null;
}
