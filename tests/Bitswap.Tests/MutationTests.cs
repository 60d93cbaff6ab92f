using System.Buffers;
using Ipcs.Bitswap.Wire;
using Ipcs.Blockstore;
using Ipcs.Blockstore.Compression;
using Ipcs.Multiformats;
using Ipcs.TestKit;

namespace Ipcs.Bitswap.Tests;

/// <summary>Bitswap messages mutated from the seeds in tests/Fuzz/bitswap.txt.</summary>
public sealed class MutationTests
{
    private const string File = "bitswap.txt";

    [Fact]
    public void Mutated_messages_are_decoded_or_refused() => Corpus.Try(File, "message", bytes =>
    {
        foreach (bool compressed in (bool[])[false, true])
        {
            if (!BitswapMessage.TryDecode(bytes, out BitswapMessage? message, compressed))
            {
                continue;
            }

            Assert.True(BitswapMessage.TryDecode(message!.Encode(), out BitswapMessage? again, compressed));
            Assert.Equal(message.Wants, again!.Wants);
            Assert.Equal(message.Presences, again.Presences);
            foreach (BlockEntry block in message.Blocks)
            {
                Assert.True(compressed || !block.Compressed);
                using IMemoryOwner<byte>? decompressed = block.Compressed ? CompressedBlock.TryDecompress(block.Data.Span) : null;
                Assert.True(decompressed is null || decompressed.Memory.Length <= IBlockstore.MaxBlockLength);
                _ = Multihash.TryCompute(block.HashCode, block.Data.Span, out _);
            }
        }
    });
}
