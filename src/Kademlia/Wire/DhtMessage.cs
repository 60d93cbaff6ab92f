using Google.Protobuf;
using Ipcs.Libp2p;

namespace Ipcs.Kademlia.Wire;

/// <summary>
/// A message of the DHT. Wire format: Dht.proto. On the stream: varint(length), then the message. A stream may carry several messages.
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

    /// <summary>
    /// The most fields of a message with those of its peers. 40 closer peers and 256 providers with 16 addresses each have a third of
    /// them; peers beyond these numbers are left out.
    /// </summary>
    public const int MaxFields = 16 * 1024;

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
        DhtRecord? record = null;
        if (!Proto.Message.Parser.TryParse(source, MaxFields, Nested, out Proto.Message? parsed)
            || parsed.Type is < Proto.Message.Types.MessageType.PutValue or > Proto.Message.Types.MessageType.Ping
            || parsed.Key.Length > MaxKeyLength
            || (parsed.Record is not null && !DhtRecord.TryFrom(parsed.Record, out record)))
        {
            return false;
        }

        message = new DhtMessage
        {
            Type = (DhtMessageType)parsed.Type,
            Key = parsed.HasKey ? parsed.Key.ToByteArray() : null,
            ClusterLevel = parsed.HasClusterLevelRaw ? parsed.ClusterLevelRaw : null,
            Record = record,
            Closer = Valid(parsed.CloserPeers, MaxCloser),
            Providers = Valid(parsed.ProviderPeers, MaxProviders),
        };
        return true;
    }

    /// <summary>Encodes the message.</summary>
    public byte[] Encode()
    {
        var message = new Proto.Message
        {
            CloserPeers = { Closer.Select(peer => peer.ToProto()) },
            ProviderPeers = { Providers.Select(peer => peer.ToProto()) },
        };
        if (Key is not null)
        {
            message.Key = ByteString.CopyFrom(Key);
        }

        if (Record is not null)
        {
            message.Record = Record.ToProto();
        }

        // Other implementations write the level before the key: the concatenation of two messages is their merge.
        var head = new Proto.Message { Type = (Proto.Message.Types.MessageType)Type };
        if (ClusterLevel is { } level)
        {
            head.ClusterLevelRaw = level;
        }

        return [.. head.ToByteArray(), .. message.ToByteArray()];
    }

    /// <summary>The fields that are messages.</summary>
    private static ReadOnlySpan<int> Nested =>
        [Proto.Message.RecordFieldNumber, Proto.Message.CloserPeersFieldNumber, Proto.Message.ProviderPeersFieldNumber];

    /// <summary>The first <paramref name="max"/> of the valid peers.</summary>
    private static List<DhtPeer> Valid(IEnumerable<Proto.Message.Types.Peer> peers, int max)
    {
        var valid = new List<DhtPeer>();
        foreach (Proto.Message.Types.Peer parsed in peers)
        {
            if (valid.Count < max && DhtPeer.TryFrom(parsed, out DhtPeer? peer))
            {
                valid.Add(peer!);
            }
        }

        return valid;
    }
}
