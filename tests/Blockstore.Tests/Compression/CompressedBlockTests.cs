using System.Buffers;
using CsCheck;
using Ipcs.Blockstore.Compression;
using Ipcs.TestKit;
using ZstdSharp;

namespace Ipcs.Blockstore.Tests.Compression;

/// <summary>Valid and damaged frames.</summary>
public sealed class CompressedBlockTests
{
    [Fact]
    public void A_block_is_compressed_where_that_pays_and_comes_back() =>
        Gen.Select(Gen.Int[0, 70_000], Gen.Int[0, 100]).Sample((length, random) =>
    {
        byte[] block = new byte[length];
        Xs128.Bytes("part", length * random / 100).CopyTo(block, 0);
        using IMemoryOwner<byte>? frame = CompressedBlock.TryCompress(block);
        if (frame is null)
        {
            return length < 1024 || random > 90; // zstd does not compress short blocks with few repetitions.
        }

        using IMemoryOwner<byte>? back = CompressedBlock.TryDecompress(frame.Memory.Span);
        return frame.Memory.Length <= length - (length / 32) && back!.Memory.Span.SequenceEqual(block);
    });

    [Fact]
    public void Noise_is_not_compressed() => Assert.Null(CompressedBlock.TryCompress(Xs128.Bytes("noise", 50_000)));

    [Fact]
    public void Broken_frames_are_none() => Gen.Select(Gen.Int[0, 400], Gen.Byte).Sample((place, value) =>
    {
        byte[] block = new byte[3000];
        Xs128.Bytes("some", 300).CopyTo(block, 0);
        using IMemoryOwner<byte> frame = CompressedBlock.TryCompress(block)!;
        byte[] broken = frame.Memory.ToArray();
        broken[place % broken.Length] = value;
        using IMemoryOwner<byte>? back = CompressedBlock.TryDecompress(broken);
        using IMemoryOwner<byte>? cut = CompressedBlock.TryDecompress(broken.AsSpan(0, place % broken.Length));

        // A changed frame that is still valid is of another block, whose hash differs.
        return cut is null && (back is null || back.Memory.Length <= IBlockstore.MaxBlockLength);
    });

    [Fact]
    public void Random_bytes_are_no_frame() => Gen.Byte.Array[0, 300].Sample(bytes => CompressedBlock.TryDecompress(bytes) is null);

    [Fact]
    public void A_bomb_is_refused_before_memory_is_taken()
    {
        using var compressor = new Compressor(19);
        byte[] bomb = compressor.Wrap(new byte[64 << 20]).ToArray();
        Assert.InRange(bomb.Length, 1, 10_000);
        long before = GC.GetAllocatedBytesForCurrentThread();
        Assert.False(CompressedBlock.TryGetLength(bomb, out _));
        Assert.Null(CompressedBlock.TryDecompress(bomb));
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 100_000);
    }

    [Fact]
    public void A_frame_that_says_too_little_or_too_much_is_none()
    {
        using var compressor = new Compressor(3);
        byte[] frame = compressor.Wrap(new byte[1000]).ToArray();

        // The content size is the two bytes after the magic number and the descriptor, less 256.
        Assert.Equal([0xe8 - 0x00, 0x02], frame[5..7]);
        foreach (int said in (int[])[999, 1001])
        {
            byte[] lying = (byte[])frame.Clone();
            BitConverter.TryWriteBytes(lying.AsSpan(5), (ushort)(said - 256));
            Assert.True(CompressedBlock.TryGetLength(lying, out int length));
            Assert.Equal(said, length);
            Assert.Null(CompressedBlock.TryDecompress(lying));
        }
    }

    [Fact]
    public void A_frame_longer_than_its_block_is_none()
    {
        using var compressor = new Compressor(3);
        Assert.Null(CompressedBlock.TryDecompress(compressor.Wrap(Xs128.Bytes("noise", 1000)).ToArray()));
    }
}
