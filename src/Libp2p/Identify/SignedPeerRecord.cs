using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using Google.Protobuf;
using Ipcs.Libp2p.Identity;
using Ipcs.Multiformats;

namespace Ipcs.Libp2p.Identify;

/// <summary>
/// The addresses of a peer, signed by the peer. Wire format: PeerRecord.proto.
/// Spec: https://github.com/libp2p/specs/blob/master/RFC/0002-signed-envelopes.md, section Signature Production / Verification.
/// <code>signed = "libp2p-peer-record", payload_type and payload, each preceded by its length as a varint</code>
/// </summary>
/// <param name="Peer">The peer's id.</param>
/// <param name="Sequence">The sequence number: newer records have greater ones.</param>
/// <param name="Addresses">The addresses that the peer listens on.</param>
public sealed record SignedPeerRecord(PeerId Peer, ulong Sequence, IReadOnlyList<Multiaddr> Addresses)
{
    /// <summary>The longest envelope accepted, in bytes.</summary>
    public const int MaxLength = 16 * 1024;

    /// <summary>The maximum number of fields of an envelope, and of a record with its addresses.</summary>
    private const int MaxFields = 2048;

    private static readonly byte[] Domain = "libp2p-peer-record"u8.ToArray();
    private static readonly byte[] PayloadType = [0x03, 0x01];

    /// <summary>Decodes an envelope; false when it is malformed or not signed by the peer that it is about.</summary>
    public static bool TryOpen(ReadOnlySpan<byte> envelope, [NotNullWhen(true)] out SignedPeerRecord? record)
    {
        record = null;
        if (envelope.Length > MaxLength || !Proto.Envelope.Parser.TryParse(envelope, MaxFields, [], out Proto.Envelope? parsed))
        {
            return false;
        }

        ReadOnlySpan<byte> payload = parsed.Payload.Span;
        return parsed.PayloadType.Span.SequenceEqual(PayloadType)
            && PeerKey.TryParse(parsed.PublicKey.Span, out PeerKey? signer)
            && signer.Verify(Signed(payload), parsed.Signature.Span)
            && TryDecode(payload, out record)
            && record.Peer == signer.PeerId;
    }

    /// <summary>Encodes and signs the record; returns the envelope.</summary>
    public byte[] Seal(KeyPair key)
    {
        byte[] payload = Encode();
        return new Proto.Envelope
        {
            PublicKey = ByteString.CopyFrom(key.PublicKeyProtobuf),
            PayloadType = ByteString.CopyFrom(PayloadType),
            Payload = ByteString.CopyFrom(payload),
            Signature = ByteString.CopyFrom(key.Sign(Signed(payload))),
        }.ToByteArray();
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
        if (!Proto.PeerRecord.Parser.TryParse(
                payload, MaxFields, [Proto.PeerRecord.AddressesFieldNumber], out Proto.PeerRecord? parsed)
            || !PeerId.TryParse(parsed.PeerId.Span, out PeerId peer))
        {
            return false;
        }

        record = new SignedPeerRecord(peer, parsed.Seq, IdentifyMessage.AddressesOf(parsed.Addresses.Select(info => info.Multiaddr)));
        return true;
    }

    private byte[] Encode() => new Proto.PeerRecord
    {
        PeerId = ByteString.CopyFrom(Peer.ToArray()),
        Seq = Sequence,
        Addresses =
        {
            Addresses.Select(address => new Proto.PeerRecord.Types.AddressInfo { Multiaddr = ByteString.CopyFrom(address.Bytes) }),
        },
    }.ToByteArray();
}
