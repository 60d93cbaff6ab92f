using System.Buffers.Binary;
using System.Numerics;

namespace Ipcs.Blockstore.Rocks;

/// <summary>
/// The checksum of RocksDB's logs and blob files: CRC-32C, masked (https://github.com/facebook/rocksdb/blob/main/util/crc32c.h, Mask).
/// </summary>
internal static class Checksum
{
    /// <summary>The masked checksum of bytes.</summary>
    public static uint Masked(ReadOnlySpan<byte> data) => Mask(Add(uint.MaxValue, data));

    /// <summary>The masked checksum of a byte and more bytes after it.</summary>
    public static uint Masked(byte first, ReadOnlySpan<byte> data) => Mask(Add(BitOperations.Crc32C(uint.MaxValue, first), data));

    private static uint Mask(uint crc) => BitOperations.RotateRight(~crc, 15) + 0xa282ead8;

    private static uint Add(uint crc, ReadOnlySpan<byte> data)
    {
        for (; data.Length >= sizeof(ulong); data = data[sizeof(ulong)..])
        {
            crc = BitOperations.Crc32C(crc, BinaryPrimitives.ReadUInt64LittleEndian(data));
        }

        foreach (byte value in data)
        {
            crc = BitOperations.Crc32C(crc, value);
        }

        return crc;
    }
}
