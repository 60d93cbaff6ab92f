using Google.Protobuf;
using Ipcs.Libp2p;
using Ipcs.Multiformats;

namespace Ipcs.Kademlia.Wire;

/// <summary>A peer in a message. Wire format: Dht.proto.</summary>
/// <param name="Peer">The peer.</param>
/// <param name="Addresses">The addresses at which it can be dialled.</param>
/// <param name="Connection">The sender's connection to the peer: 0 not connected, 1 connected, 2 can connect, 3 cannot connect.</param>
internal sealed record DhtPeer(PeerId Peer, IReadOnlyList<Multiaddr> Addresses, int Connection = DhtPeer.NotConnected)
{
    /// <summary>The sender has no connection to the peer.</summary>
    public const int NotConnected = 0;

    /// <summary>The sender is connected to the peer.</summary>
    public const int Connected = 1;

    private const int MaxConnection = (int)Proto.Message.Types.ConnectionType.CannotConnect;

    /// <summary>The most addresses read for one peer: hosts have a few, and each costs a dial.</summary>
    public const int MaxAddresses = 16;

    /// <summary>
    /// Decodes a peer, without addresses that are invalid or of an unknown protocol. False when the bytes are no message or have no valid
    /// peer ID.
    /// </summary>
    public static bool TryDecode(ReadOnlySpan<byte> source, out DhtPeer? peer)
    {
        peer = null;
        return Proto.Message.Types.Peer.Parser.TryParse(source, DhtMessage.MaxFields, [], out Proto.Message.Types.Peer? parsed)
            && TryFrom(parsed, out peer);
    }

    /// <summary>
    /// Checks a decoded peer and leaves out addresses that are invalid or of an unknown protocol. False when its peer ID is not valid.
    /// </summary>
    public static bool TryFrom(Proto.Message.Types.Peer parsed, out DhtPeer? peer)
    {
        peer = null;
        if (!PeerId.TryParse(parsed.Id.Span, out PeerId id))
        {
            return false;
        }

        var addresses = new List<Multiaddr>(2);
        foreach (ByteString bytes in parsed.Addrs)
        {
            if (addresses.Count < MaxAddresses && Multiaddr.TryParse(bytes.Span, out Multiaddr? address))
            {
                addresses.Add(address);
            }
        }

        int connection = (int)parsed.Connection;
        peer = new DhtPeer(id, addresses, connection is > NotConnected and <= MaxConnection ? connection : NotConnected);
        return true;
    }

    /// <summary>The peer as a generated message.</summary>
    public Proto.Message.Types.Peer ToProto() => new()
    {
        Id = ByteString.CopyFrom(Peer.ToArray()),
        Addrs = { Addresses.Select(address => ByteString.CopyFrom(address.Bytes)) },
        Connection = (Proto.Message.Types.ConnectionType)Connection,
    };

    /// <summary>Encodes the peer.</summary>
    public byte[] Encode() => ToProto().ToByteArray();
}
