using System.Buffers;
using CsCheck;
using Google.Protobuf;
using Ipcs.ContentApi.V1;
using Ipcs.ContentApi.Wire;
using Ipcs.TestKit;

namespace Ipcs.ContentApi.Tests;

/// <summary>The parser of write requests and the encoder of read replies, compared with the generated code.</summary>
public sealed class WireTests
{
    private static readonly Gen<WriteContentRequest> Requests = Gen.Select(
        Gen.Int[-2, 4], Gen.String[Gen.Char["abc/é\u4e2d"], 0, 40], Gen.Long, Gen.String[Gen.Char.AlphaNumeric, 0, 80], Gen.Long,
        Gen.Byte.Array[0, 300],
        Gen.Dictionary(Gen.String[Gen.Char.AlphaNumeric, 0, 10], Gen.String[Gen.Char.AlphaNumeric, 0, 10])[0, 5],
        (action, reference, total, expected, offset, data, labels) => new WriteContentRequest
        {
            Action = (WriteAction)action,
            Ref = reference,
            Total = total,
            Expected = expected,
            Offset = offset,
            Data = ByteString.CopyFrom(data),
            Labels = { labels },
        });

    [Fact]
    public void A_generated_request_is_parsed() => Gen.Select(Requests, Gen.Int[1, 40]).Sample((request, piece) =>
    {
        using WriteRequest parsed = WriteRequest.Parse(Pieces.Of(request.ToByteArray(), piece));
        return Same(request, parsed);
    });

    [Fact]
    public void Unknown_fields_are_skipped_and_the_last_of_a_field_counts() => Gen.Select(
        Requests, Requests, Gen.Int[1, 40]).Sample((first, second, piece) =>
    {
        byte[] unknown = [0xa0, 0x06, 0x80, 0x01, 0xa9, 0x06, 1, 2, 3, 4, 5, 6, 7, 8, 0xb2, 0x06, 2, 9, 9, 0xbd, 0x06, 1, 2, 3, 4];
        byte[] bytes = [.. first.ToByteArray(), .. unknown, .. second.ToByteArray()];
        WriteContentRequest expected = WriteContentRequest.Parser.ParseFrom(bytes);
        using WriteRequest parsed = WriteRequest.Parse(Pieces.Of(bytes, piece));
        return Same(expected, parsed);
    });

    /// <summary>Damaged messages: the data and labels parsed are never longer than the message.</summary>
    [Fact]
    public void Any_bytes_are_parsed_or_refused() => Gen.Select(
        Requests, Gen.Int[0, 400], Gen.Byte, Gen.Int[0, 3], Gen.Byte.Array[0, 60], Gen.Int[1, 40])
        .Sample((request, at, value, how, noise, piece) =>
        {
            byte[] bytes = Damage(request.ToByteArray(), at, value, how, noise);
            try
            {
                using WriteRequest parsed = WriteRequest.Parse(Pieces.Of(bytes, piece));
                return parsed.Data.Length <= bytes.Length && parsed.Labels.Count <= bytes.Length;
            }
            catch (WireFormatException e)
            {
                return e.Message.Length > 0;
            }
        });

    [Fact]
    public void Requests_are_parsed_as_the_generated_code_does() => Gen.Select(
        Requests, Gen.Int[0, 400], Gen.Byte, Gen.Int[0, 2]).Sample((request, at, value, how) =>
    {
        byte[] bytes = Damage(request.ToByteArray(), at, value, how, []);
        WriteContentRequest expected;
        try
        {
            expected = WriteContentRequest.Parser.ParseFrom(bytes);
        }
        catch (InvalidProtocolBufferException)
        {
            return true;
        }

        try
        {
            using WriteRequest parsed = WriteRequest.Parse(new ReadOnlySequence<byte>(bytes));
            return Same(expected, parsed);
        }
        catch (WireFormatException)
        {
            // Stricter in three things: groups, which no version of the message ever had, are not skipped, numbers have at most 64 bits,
            // and text must be UTF-8.
            return HasGroup(bytes) || HasLongNumber(bytes) || expected.ToString().Contains('\ufffd', StringComparison.Ordinal);
        }
    });

    [Fact]
    public void The_generated_code_reads_replies() => Gen.Select(
        Gen.Long[0, long.MaxValue], Gen.Byte.Array[0, 70_000]).Sample((offset, data) =>
    {
        var reply = new ReadReply();
        reply.Set(offset, data);
        var bytes = new ArrayBufferWriter<byte>();
        reply.WriteTo(bytes);
        ReadContentResponse read = ReadContentResponse.Parser.ParseFrom(bytes.WrittenSpan);
        return bytes.WrittenCount == reply.CalculateSize() && read.Offset == offset && read.Data.Span.SequenceEqual(data);
    });

    private static bool Same(WriteContentRequest expected, WriteRequest actual) =>
        expected.Action == actual.Action && expected.Ref == actual.Ref && expected.Total == actual.Total
        && expected.Expected == actual.Expected
        && expected.Offset == actual.Offset && expected.Data.Span.SequenceEqual(actual.Data.Span)
        && expected.Labels.Count == actual.Labels.Count && expected.Labels.All(l => actual.Labels.GetValueOrDefault(l.Key) == l.Value);

    private static byte[] Damage(byte[] bytes, int at, byte value, int how, byte[] noise)
    {
        at = Math.Min(at, bytes.Length);
        return how switch
        {
            0 => bytes[..at],
            1 => [.. bytes[..at], value, .. bytes[Math.Min(at + 1, bytes.Length)..]],
            2 => [.. bytes[..at], value, .. bytes[at..]],
            _ => [.. bytes[..at], .. noise],
        };
    }

    private static bool HasLongNumber(byte[] bytes) => Enumerable.Range(0, Math.Max(0, bytes.Length - 9))
        .Any(i => bytes[i + 9] is > 1 and < 0x80 && bytes[i..(i + 9)].All(b => b >= 0x80));

    private static bool HasGroup(byte[] bytes) => bytes.Any(b => (b & 7) is 3 or 4);
}
