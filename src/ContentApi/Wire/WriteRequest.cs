using System.Buffers;
using System.Text;
using Ipcs.ContentApi.V1;

namespace Ipcs.ContentApi.Wire;

/// <summary>
/// A <c>WriteContentRequest</c> whose data is in a rented array: generated code would allocate up to 16 MiB per message. The consumer of
/// <see cref="Data"/> disposes the request, and the data is valid until then. An array that is not returned is left to the runtime's GC.
/// <code>action = 1 (varint) | ref = 2 | total = 3 (varint) | expected = 4 | offset = 5 (varint) | data = 6 | labels = 7 (map)</code>
/// Encoding: https://protobuf.dev/programming-guides/encoding/.
/// </summary>
internal sealed class WriteRequest : IDisposable
{
    /// <summary>The most labels of a request; more are refused before memory is allocated for them.</summary>
    private const int MaxLabels = 8192;

    private static readonly UTF8Encoding StrictUtf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    private byte[]? _rented;

    public WriteAction Action { get; private set; }

    public string Ref { get; private set; } = "";

    public long Total { get; private set; }

    public string Expected { get; private set; } = "";

    public long Offset { get; private set; }

    public ReadOnlyMemory<byte> Data { get; private set; }

    public Dictionary<string, string> Labels { get; } = new(StringComparer.Ordinal);

    /// <summary>Parses a whole message; its data is copied once.</summary>
    /// <exception cref="WireFormatException">The message is malformed.</exception>
    public static WriteRequest Parse(in ReadOnlySequence<byte> payload)
    {
        var request = new WriteRequest();
        try
        {
            request.Fill(payload);
            return request;
        }
        catch (DecoderFallbackException)
        {
            request.Dispose();
            throw new WireFormatException("a string is not UTF-8");
        }
        catch
        {
            request.Dispose();
            throw;
        }
    }

    public void Dispose()
    {
        if (Interlocked.Exchange(ref _rented, null) is { } rented)
        {
            Data = default;
            ArrayPool<byte>.Shared.Return(rented);
        }
    }

    private void Fill(in ReadOnlySequence<byte> payload)
    {
        var reader = new SequenceReader<byte>(payload);
        while (!reader.End)
        {
            ulong tag = ReadVarint(ref reader);
            switch (tag)
            {
                case (1 << 3) | 0:
                    Action = (WriteAction)(int)ReadVarint(ref reader);
                    break;
                case (2 << 3) | 2:
                    Ref = StrictUtf8.GetString(ReadBytes(ref reader));
                    break;
                case (3 << 3) | 0:
                    Total = (long)ReadVarint(ref reader);
                    break;
                case (4 << 3) | 2:
                    Expected = StrictUtf8.GetString(ReadBytes(ref reader));
                    break;
                case (5 << 3) | 0:
                    Offset = (long)ReadVarint(ref reader);
                    break;
                case (6 << 3) | 2:
                    SetData(ReadBytes(ref reader));
                    break;
                case (7 << 3) | 2:
                    AddLabel(ReadBytes(ref reader));
                    break;
                default:
                    Skip(ref reader, tag);
                    break;
            }
        }
    }

    private void SetData(in ReadOnlySequence<byte> data)
    {
        Dispose();
        int length = (int)data.Length;
        _rented = ArrayPool<byte>.Shared.Rent(length);
        data.CopyTo(_rented);
        Data = _rented.AsMemory(0, length);
    }

    private void AddLabel(in ReadOnlySequence<byte> entry)
    {
        if (Labels.Count == MaxLabels)
        {
            throw new WireFormatException($"there are more than {MaxLabels} labels");
        }

        string key = "";
        string value = "";
        var reader = new SequenceReader<byte>(entry);
        while (!reader.End)
        {
            ulong tag = ReadVarint(ref reader);
            switch (tag)
            {
                case (1 << 3) | 2:
                    key = StrictUtf8.GetString(ReadBytes(ref reader));
                    break;
                case (2 << 3) | 2:
                    value = StrictUtf8.GetString(ReadBytes(ref reader));
                    break;
                default:
                    Skip(ref reader, tag);
                    break;
            }
        }

        Labels[key] = value;
    }

    private static void Skip(ref SequenceReader<byte> reader, ulong tag)
    {
        if (tag >> 3 is 0 or > uint.MaxValue >> 3)
        {
            throw new WireFormatException("a field has no legal number");
        }

        switch (tag & 7)
        {
            case 0:
                ReadVarint(ref reader);
                break;
            case 1:
                Advance(ref reader, 8);
                break;
            case 2:
                ReadBytes(ref reader);
                break;
            case 5:
                Advance(ref reader, 4);
                break;
            default:
                throw new WireFormatException($"wire type {tag & 7} is not supported");
        }
    }

    private static void Advance(ref SequenceReader<byte> reader, long count)
    {
        if (reader.Remaining < count)
        {
            throw new WireFormatException("the message ends within a field");
        }

        reader.Advance(count);
    }

    private static ReadOnlySequence<byte> ReadBytes(ref SequenceReader<byte> reader)
    {
        ulong length = ReadVarint(ref reader);
        if (length > (ulong)reader.Remaining)
        {
            throw new WireFormatException("the message ends within a field");
        }

        ReadOnlySequence<byte> bytes = reader.UnreadSequence.Slice(0, (long)length);
        reader.Advance((long)length);
        return bytes;
    }

    private static ulong ReadVarint(ref SequenceReader<byte> reader)
    {
        ulong value = 0;
        for (int shift = 0; shift < 70; shift += 7)
        {
            if (!reader.TryRead(out byte b))
            {
                throw new WireFormatException("the message ends within a number");
            }

            value |= (ulong)(b & 0x7f) << shift;
            if (b < 0x80)
            {
                return value;
            }
        }

        throw new WireFormatException("a number is longer than ten bytes");
    }
}
