using System.Buffers;
using CsCheck;
using Ipcs.Bitswap.Wire;
using Ipcs.Multiformats;
using Ipcs.TestKit;

namespace Ipcs.Bitswap.Tests;

public sealed class MessageReaderTests
{
    private static readonly Gen<int> Lengths =
        Gen.Frequency((6, Gen.Int[0, 5000]), (3, Gen.Int[200_000, 300_000]), (1, Gen.Int[1 << 20, 2 << 20]));

    private static readonly Gen<BlockEntry> Blocks = Gen.Select(Lengths, Gen.Bool, (length, compressed) =>
        new BlockEntry(1, Multicodec.Raw, Multihash.Sha2_256, Xs128.Bytes($"{length}", length), compressed));

    private static readonly Gen<BitswapMessage> Messages = Gen.Select(Blocks.Array[0, 12], Gen.Int[0, 3000], Gen.Int[0, 20], MessageOf);

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private static Gen<(BitswapMessage[] Messages, int Slice)> Streams => Gen.Select(Messages.Array[1, 4], Gen.Int[1, 400_000]);

    [Fact]
    public async Task The_pieces_of_messages_add_up_to_the_messages() => await Streams.SampleAsync(async (messages, slice) =>
    {
        var wire = new ArrayBufferWriter<byte>();
        foreach (BitswapMessage message in messages)
        {
            byte[] encoded = message.Encode();
            wire.Advance(Varint.Write(wire.GetSpan(Varint.MaxLength), (ulong)encoded.Length));
            wire.Write(encoded);
        }

        var reader = new MessageReader(new BytesStream(wire.WrittenMemory, slice));
        var got = new List<BitswapMessage>();
        while (await reader.ReadAsync(CancellationToken.None) is { } piece)
        {
            using (piece)
            {
                Assert.True(BitswapMessage.TryDecode(piece.Memory.ToArray(), out BitswapMessage? part, compressed: true));
                Assert.True(piece.Length <= MessagePiece.UsualLength || part!.Blocks.Count + part.Wants.Count == 1);
                if (piece.Begins)
                {
                    got.Add(part!);
                    continue;
                }

                got[^1].Wants.AddRange(part!.Wants);
                got[^1].Presences.AddRange(part.Presences);
                got[^1].Blocks.AddRange(part.Blocks);
            }
        }

        // Empty messages are skipped.
        Assert.Equal(messages.Select(m => m.Encode()).Where(m => m.Length > 0), got.Select(m => m.Encode()));
    }, iter: 30);

    [Theory]
    [InlineData("a message over the maximum length", "818080 02")]
    [InlineData("a length that is not a varint", "ffffffffffffffffffff")]
    [InlineData("a stream that ends inside a length", "80")]
    [InlineData("a stream that ends inside a short message", "05 1a03")]
    [InlineData("a stream that ends inside a head", "808080 01 1a")]
    [InlineData("a stream that ends inside a field", "808080 01 1a808040 0a")]
    [InlineData("a field longer than its message", "808080 01 1a80808001")]
    [InlineData("a field of 2^64 - 1 bytes", "808080 01 22ffffffffffffffffff01")]
    [InlineData("a block over the maximum length", "808080 02 1a81908001")]
    [InlineData("a wire type that no known field has", "808080 01 1d00000000")]
    [InlineData("a tag that does not end", "808080 01 ffffffffffffffffffffff")]
    public async Task Malformed_messages_are_refused(string what, string wire)
    {
        Assert.NotEmpty(what);
        var reader = new MessageReader(new BytesStream(Convert.FromHexString(wire.Replace(" ", "", StringComparison.Ordinal)), 1));
        await Assert.ThrowsAsync<InvalidDataException>(async () => await reader.ReadAsync(Cancel));
    }

    [Fact]
    public async Task A_stream_that_ends_between_messages_ends()
    {
        Assert.Null(await new MessageReader(new BytesStream(default, 1)).ReadAsync(Cancel));
        Assert.Null(await new MessageReader(new BytesStream(new byte[3], 1)).ReadAsync(Cancel));
    }

    private static BitswapMessage MessageOf(BlockEntry[] blocks, int wants, int haves)
    {
        var message = new BitswapMessage();
        message.Wants.AddRange(
            Enumerable.Range(0, wants).Select(i => new WantEntry(CidOf(i), i, Cancel: false, WantHave: true, SendDontHave: true)));
        message.Presences.AddRange(Enumerable.Range(0, haves).Select(i => new PresenceEntry(CidOf(i), Have: true)));
        long length = message.Encode().Length;
        message.Blocks.AddRange(blocks.TakeWhile(b => (length += b.Data.Length + 64) < BitswapMessage.MaxLength));
        return message;
    }

    private static Cid CidOf(int i) => Cid.V1(Multicodec.Raw, Multihash.Sha256(BitConverter.GetBytes(i)));
}
