using System.Buffers;
using Ipcs.Multiformats;

namespace Ipcs.Kademlia.Wire;

/// <summary>
/// A message of the DHT. Spec: https://github.com/libp2p/specs/blob/master/kad-dht/README.md, section RPC messages.
/// <code>
/// Message { 1: type, 10: clusterLevelRaw (unused), 2: key, 3: Record, 8: repeated Peer closerPeers, 9: repeated Peer providerPeers }
/// </code>
/// On the stream: varint(length), then the message. A stream may carry several messages.
/// </summary>
internal sealed class DhtMessage
{
    /// <summary>The longest request accepted, in bytes: it has a key, a record of at most 10 KiB, or the addresses of the sender.</summary>
    public const int MaxRequestLength = 32 * 1024;

    /// <summary>
    /// The longest answer accepted, in bytes: 20 closer peers and 100 providers with some addresses each are far shorter.
    /// </summary>
    public const int MaxResponseLength = 256 * 1024;

    /// <summary>The longest key accepted, in bytes: a multihash has up to 135, <c>/ipns/</c> and a peer ID fewer.</summary>
    public const int MaxKeyLength = 256;

    /// <summary>The most closer peers read from a message: implementations send at most k = 20.</summary>
    public const int MaxCloser = 40;

    /// <summary>The most providers read from a message.</summary>
    public const int MaxProviders = 256;

    /// <summary>The type.</summary>
    public required DhtMessageType Type { get; init; }

    /// <summary>A multihash, a binary peer ID, or a key such as <c>/pk/…</c>; null when absent.</summary>
    public byte[]? Key { get; init; }

    /// <summary>Unused by all implementations; an answer repeats it from its request.</summary>
    public int? ClusterLevel { get; init; }

    /// <summary>The value of PUT_VALUE and GET_VALUE; null when absent.</summary>
    public DhtRecord? Record { get; init; }

    /// <summary>Peers closer to the key.</summary>
    public IReadOnlyList<DhtPeer> Closer { get; init; } = [];

    /// <summary>The providers of the content.</summary>
    public IReadOnlyList<DhtPeer> Providers { get; init; } = [];

    /// <summary>
    /// Decodes a message, without unknown fields and invalid peers. False when the bytes are no message, of an unknown type, or over a
    /// bound.
    /// </summary>
    public static bool TryDecode(ReadOnlySpan<byte> source, out DhtMessage? message)
    {
        message = null;
        ulong type = 0;
        byte[]? key = null;
        int? level = null;
        DhtRecord? record = null;
        var closer = new List<DhtPeer>();
        var providers = new List<DhtPeer>();
        while (!source.IsEmpty)
        {
            if (!ProtoField.TryRead(ref source, out ProtoField field))
            {
                return false;
            }

            switch (field.Number, field.Wire)
            {
                case (1, ProtoField.Varint):
                    type = field.Value;
                    break;
                case (10, ProtoField.Varint):
                    level = unchecked((int)field.Value);
                    break;
                case (2, ProtoField.Counted):
                    if (field.Bytes.Length > MaxKeyLength)
                    {
                        return false;
                    }

                    key = field.Bytes.ToArray();
                    break;
                case (3, ProtoField.Counted):
                    if (!DhtRecord.TryDecode(field.Bytes, out record))
                    {
                        return false;
                    }

                    break;
                case (8, ProtoField.Counted) when closer.Count < MaxCloser && DhtPeer.TryDecode(field.Bytes, out DhtPeer? near):
                    closer.Add(near!);
                    break;
                case (9, ProtoField.Counted) when providers.Count < MaxProviders && DhtPeer.TryDecode(field.Bytes, out DhtPeer? provider):
                    providers.Add(provider!);
                    break;
                default:
                    break;
            }
        }

        if (type > (ulong)DhtMessageType.Ping)
        {
            return false;
        }

        message = new DhtMessage
        {
            Type = (DhtMessageType)type,
            Key = key,
            ClusterLevel = level,
            Record = record,
            Closer = closer,
            Providers = providers,
        };
        return true;
    }

    /// <summary>Encodes the message.</summary>
    public byte[] Encode()
    {
        var output = new ArrayBufferWriter<byte>(256);
        // Type 0 is the default value of the field, which is not written.
        if (Type != DhtMessageType.PutValue)
        {
            output.WriteNumber(1, (ulong)Type);
        }

        if (ClusterLevel is { } level)
        {
            output.WriteNumber(10, (ulong)level);
        }

        if (Key is not null)
        {
            output.WriteBytes(2, Key);
        }

        if (Record is not null)
        {
            output.WriteBytes(3, Record.Encode());
        }

        foreach (DhtPeer peer in Closer)
        {
            output.WriteBytes(8, peer.Encode());
        }

        foreach (DhtPeer peer in Providers)
        {
            output.WriteBytes(9, peer.Encode());
        }

        return output.WrittenSpan.ToArray();
    }
}
