using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using Ipcs.Libp2p.Identity;
using Ipcs.Multiformats;

namespace Ipcs.Libp2p.Identify;

/// <summary>
/// The addresses of a peer, signed by the peer.
/// Specs: https://github.com/libp2p/specs/blob/master/RFC/0002-signed-envelopes.md, 0003-routing-records.md.
/// <code>
/// Envelope   { 1: public_key, 2: payload_type = 03 01, 3: payload, 5: signature }
/// PeerRecord { 1: peer_id, 2: seq, 3: repeated AddressInfo { 1: multiaddr } }
/// signed     = "libp2p-peer-record", payload_type and payload, each preceded by its length as a varint
/// </code>
/// </summary>
/// <param name="Peer">The peer's id.</param>
/// <param name="Sequence">The sequence number: newer records have greater ones.</param>
/// <param name="Addresses">The addresses that the peer listens on.</param>
public sealed record SignedPeerRecord(PeerId Peer, ulong Sequence, IReadOnlyList<Multiaddr> Addresses)
{
    /// <summary>The longest envelope accepted, in bytes.</summary>
    public const int MaxLength = 16 * 1024;

    private static readonly byte[] Domain = "libp2p-peer-record"u8.ToArray();
    private static readonly byte[] PayloadType = [0x03, 0x01];

    /// <summary>Decodes an envelope; false when it is malformed or not signed by the peer that it is about.</summary>
    public static bool TryOpen(ReadOnlySpan<byte> envelope, [NotNullWhen(true)] out SignedPeerRecord? record)
    {
        record = null;
        ReadOnlySpan<byte> key = default, type = default, payload = default, signature = default;
        if (envelope.Length > MaxLength)
        {
            return false;
        }

        while (!envelope.IsEmpty)
        {
            if (!ProtoField.TryReadStrict(ref envelope, out ProtoField field))
            {
                return false;
            }

            switch (field.Number)
            {
                case 1:
                    key = field.Bytes;
                    break;
                case 2:
                    type = field.Bytes;
                    break;
                case 3:
                    payload = field.Bytes;
                    break;
                case 5:
                    signature = field.Bytes;
                    break;
                default:
                    break;
            }
        }

        return type.SequenceEqual(PayloadType)
            && PeerKey.TryParse(key, out PeerKey? signer)
            && signer.Verify(Signed(payload), signature)
            && TryDecode(payload, out record)
            && record.Peer == signer.PeerId;
    }

    /// <summary>Encodes and signs the record; returns the envelope.</summary>
    public byte[] Seal(KeyPair key)
    {
        byte[] payload = Encode();
        var output = new ArrayBufferWriter<byte>(payload.Length + 128);
        output.WriteBytes(1, key.PublicKeyProtobuf);
        output.WriteBytes(2, PayloadType);
        output.WriteBytes(3, payload);
        output.WriteBytes(5, key.Sign(Signed(payload)));
        return output.WrittenSpan.ToArray();
    }

    private static byte[] Signed(ReadOnlySpan<byte> payload)
    {
        var output = new ArrayBufferWriter<byte>(payload.Length + 32);
        Prefixed(output, Domain);
        Prefixed(output, PayloadType);
        Prefixed(output, payload);
        return output.WrittenSpan.ToArray();

        static void Prefixed(ArrayBufferWriter<byte> output, ReadOnlySpan<byte> value)
        {
            output.Advance(Varint.Write(output.GetSpan(Varint.MaxLength), (ulong)value.Length));
            output.Write(value);
        }
    }

    private static bool TryDecode(ReadOnlySpan<byte> payload, [NotNullWhen(true)] out SignedPeerRecord? record)
    {
        record = null;
        PeerId peer = default;
        ulong sequence = 0;
        var addresses = new List<Multiaddr>();
        while (!payload.IsEmpty)
        {
            if (!ProtoField.TryReadStrict(ref payload, out ProtoField field))
            {
                return false;
            }

            switch (field.Number)
            {
                case 1 when !PeerId.TryParse(field.Bytes, out peer):
                    return false;
                case 2:
                    sequence = field.Value;
                    break;
                case 3 when addresses.Count < IdentifyMessage.MaxEntries:
                    ReadOnlySpan<byte> info = field.Bytes;
                    while (ProtoField.TryReadStrict(ref info, out ProtoField part))
                    {
                        if (part.Number == 1 && Multiaddr.TryParse(part.Bytes, out Multiaddr? address))
                        {
                            addresses.Add(address);
                        }
                    }

                    break;
                default:
                    break;
            }
        }

        record = new SignedPeerRecord(peer, sequence, addresses);
        return !peer.IsDefault;
    }

    private byte[] Encode()
    {
        var output = new ArrayBufferWriter<byte>(256);
        output.WriteBytes(1, Peer.ToArray());
        output.WriteNumber(2, Sequence);
        foreach (Multiaddr address in Addresses)
        {
            var info = new ArrayBufferWriter<byte>(64);
            info.WriteBytes(1, address.Bytes);
            output.WriteBytes(3, info.WrittenSpan);
        }

        return output.WrittenSpan.ToArray();
    }
}
