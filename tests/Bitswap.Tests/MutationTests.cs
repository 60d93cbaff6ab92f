using System.Buffers;
using Ipcs.Bitswap.Resolve;
using Ipcs.Bitswap.Wire;
using Ipcs.Blockstore;
using Ipcs.Multiformats;
using Ipcs.TestKit;

namespace Ipcs.Bitswap.Tests;

/// <summary>Messages, questions and answers that grow out of the seeds in tests/Fuzz/bitswap.txt.</summary>
public sealed class MutationTests
{
    private const string File = "bitswap.txt";

    private static readonly Digest[] Asked = [Digest.Sha256("one"u8), Sha512("two"u8)];

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
                Assert.True(packed || !block.Packed);
                using IMemoryOwner<byte>? unpacked = block.Packed ? PackedBlock.TryUnpack(block.Data.Span) : null;
                Assert.True(unpacked is null || unpacked.Memory.Length <= IBlockstore.MaxBlockLength);
                _ = Multihash.TryCompute(block.HashCode, block.Data.Span, out _);
            }
        }
    });

    [Fact]
    public void Questions() => Corpus.Try(File, "question", bytes =>
    {
        if (ResolveWire.TryDecodeQuestion(bytes, out List<Digest> digests))
        {
            Assert.True(ResolveWire.TryDecodeQuestion(ResolveWire.EncodeQuestion(digests), out List<Digest> again));
            Assert.Equal(digests, again);
        }
    });

    [Fact]
    public void Answers() => Corpus.Try(File, "answer", bytes =>
    {
        if (ResolveWire.TryDecodeAnswer(bytes, Asked, out List<ResolvedContent> contents))
        {
            Assert.All(contents, c => Assert.Contains(c.Record.Digest, Asked));
            Assert.All(contents, c => Assert.True(c.RootBlock.IsEmpty || c.Record.Root.Hash.Verifies(c.RootBlock.Span)));
        }
    });

    private static Digest Sha512(ReadOnlySpan<byte> bytes)
    {
        Assert.True(Multihash.TryCompute(Multihash.Sha2_512, bytes, out Multihash hash));
        return new Digest(hash);
    }
}
