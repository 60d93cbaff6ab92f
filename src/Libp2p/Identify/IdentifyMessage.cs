using System.Buffers;
using System.Text;
using Ipcs.Libp2p.Negotiation;
using Ipcs.Multiformats;

namespace Ipcs.Libp2p.Identify;

/// <summary>
/// What a peer says of itself. Spec: https://github.com/libp2p/specs/blob/master/identify/README.md.
/// <code>
/// Identify { 1: publicKey, 2: repeated listenAddrs, 3: repeated protocols, 4: observedAddr, 5: protocolVersion, 6: agentVersion, 8: signedPeerRecord }
/// </code>
/// On the stream: varint(length) and the message.
/// </summary>
public sealed class IdentifyMessage
{
    /// <summary>The longest message taken, in bytes; js sends no more than 8 KiB, go 4 KiB of parts at a time.</summary>
    public const int MaxLength = 64 * 1024;

    /// <summary>The most addresses and protocols kept of a peer.</summary>
    public const int MaxEntries = 256;

    /// <summary>The most messages that one answer may be split into.</summary>
    public const int MaxMessages = 8;

    /// <summary>The most bytes kept of a version's text.</summary>
    private const int MaxText = 256;

    /// <summary>The public key's protobuf; empty when absent.</summary>
    public byte[] PublicKey { get; init; } = [];

    /// <summary>Where the peer listens.</summary>
    public IReadOnlyList<Multiaddr> ListenAddresses { get; init; } = [];

    /// <summary>What it speaks.</summary>
    public IReadOnlyList<string> Protocols { get; init; } = [];

    /// <summary>Where it sees us; null when it does not say.</summary>
    public Multiaddr? ObservedAddress { get; init; }

    /// <summary>The family of protocols.</summary>
    public string ProtocolVersion { get; init; } = "";

    /// <summary>The program.</summary>
    public string AgentVersion { get; init; } = "";

    /// <summary>The envelope of a <see cref="SignedPeerRecord"/>; empty when absent.</summary>
    public byte[] PeerRecordEnvelope { get; init; } = [];

    /// <summary>Decodes a message. Unknown fields and addresses that we can't read are passed over; what is no protobuf is refused.</summary>
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

    /// <summary>Lays a further part of the same answer over this one: a long answer may come in several messages.</summary>
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
