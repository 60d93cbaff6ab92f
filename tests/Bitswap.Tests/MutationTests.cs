using System.Buffers;
using Ipcs.Bitswap.Wire;
using Ipcs.Blockstore;
using Ipcs.Blockstore.Compression;
using Ipcs.Multiformats;
using Ipcs.TestKit;

namespace Ipcs.Bitswap.Tests;

/// <summary>Messages that grow out of the seeds in tests/Fuzz/bitswap.txt.</summary>
public sealed class MutationTests
{
    private const string File = "bitswap.txt";

    [Fact]
    public void Messages() => Corpus.Try(File, "message", bytes =>
    {
        foreach (bool packed in (bool[])[false, true])
        {
            if (!BitswapMessage.TryDecode(bytes, out BitswapMessage? message, packed))
            {
                continue;
            }

            Assert.True(BitswapMessage.TryDecode(message!.Encode(), out BitswapMessage? again, packed));
            Assert.Equal(message.Wants, again!.Wants);
            Assert.Equal(message.Presences, again.Presences);
            foreach (BlockEntry block in message.Blocks)
            {
                Assert.True(packed || !block.Compressed);
                using IMemoryOwner<byte>? unpacked = block.Compressed ? CompressedBlock.TryDecompress(block.Data.Span) : null;
                Assert.True(unpacked is null || unpacked.Memory.Length <= IBlockstore.MaxBlockLength);
                _ = Multihash.TryCompute(block.HashCode, block.Data.Span, out _);
            }
        }
    });
}
