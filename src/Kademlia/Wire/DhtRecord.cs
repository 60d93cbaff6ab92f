using Google.Protobuf;
using Ipcs.Libp2p;

namespace Ipcs.Kademlia.Wire;

/// <summary>A value with its key. Wire format: Dht.proto.</summary>
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
        record = null;
        return Proto.Record.Parser.TryParse(source, DhtMessage.MaxFields, [], out Proto.Record? parsed) && TryFrom(parsed, out record);
    }

    /// <summary>Checks a decoded record. False when it is over a bound.</summary>
    public static bool TryFrom(Proto.Record parsed, out DhtRecord? record)
    {
        record = null;
        if (parsed.Key.Length > DhtMessage.MaxKeyLength || parsed.Value.Length > MaxValueLength)
        {
            return false;
        }

        string time = parsed.TimeReceived.Length <= MaxTimeLength ? parsed.TimeReceived : "";
        record = new DhtRecord(parsed.Key.ToByteArray(), parsed.Value.ToByteArray(), time);
        return true;
    }

    /// <summary>The record as a generated message.</summary>
    public Proto.Record ToProto() =>
        new() { Key = ByteString.CopyFrom(Key), Value = ByteString.CopyFrom(Value), TimeReceived = TimeReceived };

    /// <summary>Encodes the record.</summary>
    public byte[] Encode() => ToProto().ToByteArray();
}
