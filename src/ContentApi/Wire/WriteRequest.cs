using System.Buffers;
using System.Text;
using Ipcs.ContentApi.V1;
using Ipcs.Multiformats;

namespace Ipcs.ContentApi.Wire;

/// <summary>
/// A <c>WriteContentRequest</c> whose data is in a rented array: generated code would allocate up to 16 MiB per message. The consumer of
/// <see cref="Data"/> disposes the request, and the data is valid until then. An array that is not returned is left to the runtime's GC.
/// <code>action = 1 (varint) | ref = 2 | total = 3 (varint) | expected = 4 | offset = 5 (varint) | data = 6 | labels = 7 (map)</code>
/// Spec: Protos/content.proto.
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

    private void Fill(ReadOnlySequence<byte> payload)
    {
        while (!payload.IsEmpty)
        {
            ProtoField field = Next(ref payload, out ReadOnlySequence<byte> bytes);
            switch (field.Number, field.Wire)
            {
                case (1, ProtoField.Varint):
                    Action = (WriteAction)(int)field.Value;
                    break;
                case (2, ProtoField.Counted):
                    Ref = StrictUtf8.GetString(bytes);
                    break;
                case (3, ProtoField.Varint):
                    Total = (long)field.Value;
                    break;
                case (4, ProtoField.Counted):
                    Expected = StrictUtf8.GetString(bytes);
                    break;
                case (5, ProtoField.Varint):
                    Offset = (long)field.Value;
                    break;
                case (6, ProtoField.Counted):
                    SetData(bytes);
                    break;
                case (7, ProtoField.Counted):
                    AddLabel(bytes);
                    break;
                default:
                    break;
            }
        }
    }

    private static ProtoField Next(ref ReadOnlySequence<byte> payload, out ReadOnlySequence<byte> bytes) =>
        ProtoField.TryRead(ref payload, out ProtoField field, out bytes)
            ? field
            : throw new WireFormatException("a field is cut off or of no known wire type");

    private void SetData(in ReadOnlySequence<byte> data)
    {
        Dispose();
        int length = (int)data.Length;
        _rented = ArrayPool<byte>.Shared.Rent(length);
        data.CopyTo(_rented);
        Data = _rented.AsMemory(0, length);
    }

    private void AddLabel(ReadOnlySequence<byte> entry)
    {
        if (Labels.Count == MaxLabels)
        {
            throw new WireFormatException($"there are more than {MaxLabels} labels");
        }

        string key = "";
        string value = "";
        while (!entry.IsEmpty)
        {
            ProtoField field = Next(ref entry, out ReadOnlySequence<byte> bytes);
            if (field is { Number: 1, Wire: ProtoField.Counted })
            {
                key = StrictUtf8.GetString(bytes);
            }
            else if (field is { Number: 2, Wire: ProtoField.Counted })
            {
                value = StrictUtf8.GetString(bytes);
            }
        }

        Labels[key] = value;
    }
}
