using System.Buffers;
using Ipcs.Multiformats;

namespace Ipcs.Kademlia.Wire;

/// <summary>
/// A peer in a message.
/// <code>Peer { 1: id (binary PeerId), 2: repeated addrs (binary multiaddrs), 3: connection }</code>
/// </summary>
/// <param name="Peer">The peer.</param>
/// <param name="Addresses">The addresses at which it can be dialled.</param>
/// <param name="Connection">The sender's connection to the peer: 0 not connected, 1 connected, 2 can connect, 3 cannot connect.</param>
internal sealed record DhtPeer(PeerId Peer, IReadOnlyList<Multiaddr> Addresses, int Connection = DhtPeer.NotConnected)
{
    /// <summary>The sender has no connection to the peer.</summary>
    public const int NotConnected = 0;

    /// <summary>The sender is connected to the peer.</summary>
    public const int Connected = 1;

    /// <summary>The most addresses read for one peer: hosts have a few, and each costs a dial.</summary>
    public const int MaxAddresses = 16;

    /// <summary>
    /// Decodes a peer, without addresses that are invalid or of an unknown protocol. False when the bytes are no message or have no valid
    /// peer ID.
    /// </summary>
    public static bool TryDecode(ReadOnlySpan<byte> source, out DhtPeer? peer)
    {
        peer = null;
        PeerId id = default;
        int connection = NotConnected;
        var addresses = new List<Multiaddr>(2);
        while (!source.IsEmpty)
        {
            if (!ProtoField.TryRead(ref source, out ProtoField field))
            {
                return false;
            }

            switch (field.Number, field.Wire)
            {
                case (1, ProtoField.Counted):
                    if (!PeerId.TryParse(field.Bytes, out id))
                    {
                        return false;
                    }

                    break;
                case (2, ProtoField.Counted) when addresses.Count < MaxAddresses && Multiaddr.TryParse(field.Bytes, out Multiaddr? address):
                    addresses.Add(address);
                    break;
                case (3, ProtoField.Varint) when field.Value <= 3:
                    connection = (int)field.Value;
                    break;
                default:
                    break;
            }
        }

        if (id.IsDefault)
        {
            return false;
        }

        peer = new DhtPeer(id, addresses, connection);
        return true;
    }

    /// <summary>Encodes the peer.</summary>
    public byte[] Encode()
    {
        var output = new ArrayBufferWriter<byte>(128);
        output.WriteBytes(1, Peer.ToArray());
        foreach (Multiaddr address in Addresses)
        {
            output.WriteBytes(2, address.Bytes);
        }

        if (Connection != NotConnected)
        {
            output.WriteNumber(3, (ulong)Connection);
        }

        return output.WrittenSpan.ToArray();
    }
}
