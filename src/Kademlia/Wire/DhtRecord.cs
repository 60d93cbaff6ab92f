using System.Buffers;
using System.Text;
using Ipcs.Multiformats;

namespace Ipcs.Kademlia.Wire;

/// <summary>
/// A value with its key.
/// <code>Record { 1: key, 2: value, 5: timeReceived (RFC 3339) }</code>
/// </summary>
/// <param name="Key">The key.</param>
/// <param name="Value">The value.</param>
/// <param name="TimeReceived">When the sender received the value; empty when it is absent.</param>
internal sealed record DhtRecord(byte[] Key, byte[] Value, string TimeReceived = "")
{
    /// <summary>The longest value accepted, in bytes: an IPNS record has up to 10 KiB, a public key less.</summary>
    public const int MaxValueLength = 10 * 1024;

    private const int MaxTimeLength = 64;

    /// <summary>Decodes a record. False when the bytes are no message or over a bound.</summary>
    public static bool TryDecode(ReadOnlySpan<byte> source, out DhtRecord? record)
    {
        byte[] key = [], value = [];
        string time = "";
        record = null;
        while (!source.IsEmpty)
        {
            if (!ProtoField.TryRead(ref source, out ProtoField field))
            {
                return false;
            }

            switch (field.Number, field.Wire)
            {
                case (1, ProtoField.Counted) when field.Bytes.Length <= DhtMessage.MaxKeyLength:
                    key = field.Bytes.ToArray();
                    break;
                case (2, ProtoField.Counted) when field.Bytes.Length <= MaxValueLength:
                    value = field.Bytes.ToArray();
                    break;
                case (5, ProtoField.Counted) when field.Bytes.Length <= MaxTimeLength:
                    time = Encoding.UTF8.GetString(field.Bytes);
                    break;
                case (1 or 2, ProtoField.Counted):
                    return false;
                default:
                    break;
            }
        }

        record = new DhtRecord(key, value, time);
        return true;
    }

    /// <summary>Encodes the record.</summary>
    public byte[] Encode()
    {
        var output = new ArrayBufferWriter<byte>(Key.Length + Value.Length + 64);
        output.WriteBytes(1, Key);
        output.WriteBytes(2, Value);
        if (TimeReceived.Length > 0)
        {
            output.WriteBytes(5, Encoding.UTF8.GetBytes(TimeReceived));
        }

        return output.WrittenSpan.ToArray();
    }
}
