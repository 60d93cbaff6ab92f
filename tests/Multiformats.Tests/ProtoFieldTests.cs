using System.Buffers;
using CsCheck;
using Google.Protobuf;
using Ipcs.TestKit;

namespace Ipcs.Multiformats.Tests;

/// <summary>Compares the reader of protobuf fields with its writer and with Google.Protobuf.</summary>
public sealed class ProtoFieldTests
{
    private const int Rounds = 100_000;

    private static readonly byte[][] Seeds =
    [
        [0x08, 0x96, 0x01], [0x12, 0x07, .. "testing"u8], [0x09, 1, 2, 3, 4, 5, 6, 7, 8, 0x15, 1, 2, 3, 4],
        [0x1a, 0x03, 0x08, 0x96, 0x01, 0x20, 0x00],
        [0xf8, 0xff, 0xff, 0xff, 0x0f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01], [0x88, 0x00, 0x80, 0x00],
    ];

    private static readonly Gen<(int Number, ulong Value, byte[]? Bytes)> Fields = Gen.Select(
        Gen.OneOf(Gen.Int[1, 20], Gen.Int[1, (1 << 29) - 1]),
        Gen.OneOf(Gen.ULong, Gen.ULong[0, 300]),
        Gen.OneOf(Gen.Const((byte[]?)null), Gen.Byte.Array[0, 300].Select(bytes => (byte[]?)bytes)));

    [Fact]
    public void Written_fields_are_read() => Fields.Array[0, 8].Sample(fields =>
    {
        var output = new ArrayBufferWriter<byte>();
        foreach ((int number, ulong value, byte[]? bytes) in fields)
        {
            int before = output.WrittenCount;
            if (bytes is null)
            {
                output.WriteNumber(number, value);
            }
            else
            {
                output.WriteBytes(number, bytes);
                Assert.Equal(output.WrittenCount - before, ProtoOutput.BytesLength(number, bytes.Length));
            }
        }

        ReadOnlySpan<byte> left = output.WrittenSpan;
        foreach ((int number, ulong value, byte[]? bytes) in fields)
        {
            Assert.True(ProtoField.TryRead(ref left, out ProtoField field));
            Assert.Equal(number, field.Number);
            Assert.Equal(bytes is null ? ProtoField.Varint : ProtoField.Counted, field.Wire);
            Assert.Equal(bytes is null ? value : 0, field.Value);
            Assert.Equal(bytes ?? [], field.Bytes.ToArray());
            Assert.True(field.IsMinimal);
        }

        Assert.True(left.IsEmpty);
    });

    /// <summary>Google.Protobuf accepts every field that we accept, with the same content.</summary>
    [Fact]
    public void Google_Protobuf_reads_the_same_fields()
    {
        int taken = 0;
        Gen.Int.Sample(number => Interlocked.Add(ref taken, Compare(Mutation.Of(Seeds, number))), iter: Rounds);
        Assert.True(taken > Rounds / 10, $"only {taken} fields were accepted");
    }

    [Theory]
    [InlineData("00")]
    [InlineData("0800", ProtoField.Varint)]
    [InlineData("0700")]
    [InlineData("08")]
    [InlineData("08ffffffffffffffffff01", ProtoField.Varint)]
    [InlineData("08ffffffffffffffffff02")]
    [InlineData("0880808080808080808080808001")]
    [InlineData("1202aa")]
    [InlineData("1202aabb", ProtoField.Counted)]
    [InlineData("12ffffffffffffffffff01aa")]
    [InlineData("0b0c")]
    [InlineData("0c")]
    [InlineData("0d010203")]
    [InlineData("0d01020304", ProtoField.Fixed32)]
    [InlineData("0901020304050607")]
    [InlineData("090102030405060708", ProtoField.Fixed64)]
    [InlineData("f8ffffff0f00", ProtoField.Varint)]
    [InlineData("f8ffffff1f00")]
    public void Only_well_formed_fields_are_read(string hex, int wire = -1)
    {
        ReadOnlySpan<byte> source = Convert.FromHexString(hex);
        Assert.Equal(wire >= 0, ProtoField.TryRead(ref source, out ProtoField field));
        if (wire >= 0)
        {
            Assert.Equal(wire, field.Wire);
            Assert.True(source.IsEmpty);
        }
    }

    [Theory]
    [InlineData("0801", true)]
    [InlineData("088100", false)]
    [InlineData("880001", false)]
    [InlineData("128000", false)]
    [InlineData("08ffffffffffffffff7f", true)]
    [InlineData("0880808080808080808001", true)]
    public void Varints_that_are_not_minimal_are_reported(string hex, bool minimal)
    {
        ReadOnlySpan<byte> source = Convert.FromHexString(hex);
        Assert.True(ProtoField.TryRead(ref source, out ProtoField field));
        Assert.Equal(minimal, field.IsMinimal);
    }

    [Fact]
    public void A_message_in_pieces_has_the_same_fields() => Gen.Select(Gen.Int, Gen.Int[1, 30]).Sample((number, length) =>
    {
        byte[] message = Mutation.Of(Seeds, number);
        ReadOnlySpan<byte> whole = message;
        ReadOnlySequence<byte> pieces = Pieces.Of(message, length);
        while (ProtoField.TryRead(ref whole, out ProtoField field))
        {
            Assert.True(ProtoField.TryRead(ref pieces, out ProtoField same, out ReadOnlySequence<byte> bytes));
            Assert.Equal(
                (field.Number, field.Wire, field.Value, field.IsMinimal), (same.Number, same.Wire, same.Value, same.IsMinimal));
            Assert.Equal(field.Bytes, bytes.ToArray());
            Assert.Equal(whole.Length, pieces.Length);
        }

        Assert.False(ProtoField.TryRead(ref pieces, out _, out _));
    });

    /// <summary>Reads a message with both readers; returns the number of fields.</summary>
    private static int Compare(byte[] message)
    {
        ReadOnlySpan<byte> left = message;
        var theirs = new CodedInputStream(message);
        int fields = 0;
        for (; ProtoField.TryRead(ref left, out ProtoField field); fields++)
        {
            Assert.Equal(((uint)field.Number << 3) | (uint)field.Wire, theirs.ReadTag());
            switch (field.Wire)
            {
                case ProtoField.Varint:
                    Assert.Equal(theirs.ReadUInt64(), field.Value);
                    break;
                case ProtoField.Counted:
                    Assert.Equal(theirs.ReadBytes().Span, field.Bytes);
                    break;
                case ProtoField.Fixed64:
                    Assert.Equal(theirs.ReadFixed64(), BitConverter.ToUInt64(field.Bytes));
                    break;
                default:
                    Assert.Equal(theirs.ReadFixed32(), BitConverter.ToUInt32(field.Bytes));
                    break;
            }

            Assert.Equal(theirs.Position, message.Length - left.Length);
        }

        return fields;
    }
}
