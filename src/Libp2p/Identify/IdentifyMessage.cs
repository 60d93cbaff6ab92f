using System.Buffers;
using System.Text;
using Ipcs.Libp2p.Negotiation;
using Ipcs.Multiformats;

namespace Ipcs.Libp2p.Identify;

/// <summary>
/// A peer's identify message. Spec: https://github.com/libp2p/specs/blob/master/identify/README.md.
/// <code>
/// Identify { 1: publicKey, 2: repeated listenAddrs, 3: repeated protocols, 4: observedAddr, 5: protocolVersion,
///            6: agentVersion, 8: signedPeerRecord }
/// </code>
/// On the stream the message is preceded by its length as a varint.
/// </summary>
public sealed class IdentifyMessage
{
    /// <summary>The longest message accepted, in bytes; js-libp2p sends at most 8 KiB, go-libp2p parts of 4 KiB.</summary>
    public const int MaxLength = 64 * 1024;

    /// <summary>The maximum number of addresses, and of protocols, of a peer.</summary>
    public const int MaxEntries = 256;

    /// <summary>The maximum number of parts of a message.</summary>
    public const int MaxMessages = 8;

    /// <summary>The maximum length of a version in bytes; the rest is dropped.</summary>
    private const int MaxText = 256;

    /// <summary>The protobuf of the public key; empty when absent.</summary>
    public byte[] PublicKey { get; init; } = [];

    /// <summary>The addresses that the peer listens on.</summary>
    public IReadOnlyList<Multiaddr> ListenAddresses { get; init; } = [];

    /// <summary>The protocols that the peer supports.</summary>
    public IReadOnlyList<string> Protocols { get; init; } = [];

    /// <summary>The address under which the peer sees the other side; null when absent.</summary>
    public Multiaddr? ObservedAddress { get; init; }

    /// <summary>The version of the protocol family.</summary>
    public string ProtocolVersion { get; init; } = "";

    /// <summary>The name and version of the peer's program.</summary>
    public string AgentVersion { get; init; } = "";

    /// <summary>The envelope of a <see cref="SignedPeerRecord"/>; empty when absent.</summary>
    public byte[] PeerRecordEnvelope { get; init; } = [];

    /// <summary>Decodes a message, ignoring unknown fields and addresses; false when it is not a protobuf.</summary>
    public static bool TryDecode(ReadOnlySpan<byte> source, out IdentifyMessage? message)
    {
        message = null;
        byte[] key = [];
        string version = "", agent = "";
        Multiaddr? observed = null;
        var addresses = new List<Multiaddr>();
        var protocols = new List<string>();
        byte[] record = [];
        while (!source.IsEmpty)
        {
            if (!ProtoField.TryReadStrict(ref source, out ProtoField field))
            {
                return false;
            }

            ReadOnlySpan<byte> value = field.Bytes;
            switch (field.Number)
            {
                case 1:
                    key = value.ToArray();
                    break;
                case 2 when addresses.Count < MaxEntries && Multiaddr.TryParse(value, out Multiaddr? address):
                    addresses.Add(address);
                    break;
                case 3 when protocols.Count < MaxEntries && value.Length is > 0 and <= MultistreamSelect.MaxToken:
                    protocols.Add(Encoding.UTF8.GetString(value));
                    break;
                case 4 when Multiaddr.TryParse(value, out Multiaddr? seen):
                    observed = seen;
                    break;
                case 5:
                    version = Encoding.UTF8.GetString(value[..Math.Min(value.Length, MaxText)]);
                    break;
                case 6:
                    agent = Encoding.UTF8.GetString(value[..Math.Min(value.Length, MaxText)]);
                    break;
                case 8 when value.Length <= SignedPeerRecord.MaxLength:
                    record = value.ToArray();
                    break;
                default:
                    break;
            }
        }

        message = new IdentifyMessage
        {
            PublicKey = key,
            ListenAddresses = addresses,
            Protocols = protocols,
            ObservedAddress = observed,
            ProtocolVersion = version,
            AgentVersion = agent,
            PeerRecordEnvelope = record,
        };
        return true;
    }

    /// <summary>Encodes the message.</summary>
    public byte[] Encode()
    {
        var output = new ArrayBufferWriter<byte>(512);
        if (PublicKey.Length > 0)
        {
            output.WriteBytes(1, PublicKey);
        }

        foreach (Multiaddr address in ListenAddresses)
        {
            output.WriteBytes(2, address.Bytes);
        }

        foreach (string protocol in Protocols)
        {
            output.WriteBytes(3, Encoding.UTF8.GetBytes(protocol));
        }

        if (ObservedAddress is { } observed)
        {
            output.WriteBytes(4, observed.Bytes);
        }

        output.WriteBytes(5, Encoding.UTF8.GetBytes(ProtocolVersion));
        output.WriteBytes(6, Encoding.UTF8.GetBytes(AgentVersion));
        if (PeerRecordEnvelope.Length > 0)
        {
            output.WriteBytes(8, PeerRecordEnvelope);
        }

        return output.WrittenSpan.ToArray();
    }

    /// <summary>Merges the next part of the same message into this one.</summary>
    public IdentifyMessage With(IdentifyMessage next) => new()
    {
        PublicKey = next.PublicKey.Length > 0 ? next.PublicKey : PublicKey,
        ListenAddresses = [.. ListenAddresses.Union(next.ListenAddresses).Take(MaxEntries)],
        Protocols = [.. Protocols.Union(next.Protocols, StringComparer.Ordinal).Take(MaxEntries)],
        ObservedAddress = next.ObservedAddress ?? ObservedAddress,
        ProtocolVersion = next.ProtocolVersion.Length > 0 ? next.ProtocolVersion : ProtocolVersion,
        AgentVersion = next.AgentVersion.Length > 0 ? next.AgentVersion : AgentVersion,
        PeerRecordEnvelope = next.PeerRecordEnvelope.Length > 0 ? next.PeerRecordEnvelope : PeerRecordEnvelope,
    };
}
