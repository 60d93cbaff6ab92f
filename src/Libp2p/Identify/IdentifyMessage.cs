using System.Diagnostics.CodeAnalysis;
using Google.Protobuf;
using Ipcs.Libp2p.Negotiation;
using Ipcs.Multiformats;

namespace Ipcs.Libp2p.Identify;

/// <summary>
/// A peer's identify message. Wire format: Identify.proto. On the stream the message is preceded by its length as a varint.
/// </summary>
public sealed class IdentifyMessage
{
    /// <summary>The longest message accepted, in bytes; js-libp2p sends at most 8 KiB, go-libp2p parts of 4 KiB.</summary>
    public const int MaxLength = 64 * 1024;

    /// <summary>The maximum number of addresses, and of protocols, of a peer.</summary>
    public const int MaxEntries = 256;

    /// <summary>The maximum number of parts of a message.</summary>
    public const int MaxMessages = 8;

    /// <summary>The maximum number of fields of a message. Entries over <see cref="MaxEntries"/> are dropped, over this refused.</summary>
    private const int MaxFields = 4096;

    /// <summary>The maximum length of a version in UTF-16 code units; the rest is dropped.</summary>
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
    public static bool TryDecode(ReadOnlySpan<byte> source, [NotNullWhen(true)] out IdentifyMessage? message)
    {
        message = null;
        if (source.Length > MaxLength || !Proto.Identify.Parser.TryParse(source, MaxFields, [], out Proto.Identify? parsed))
        {
            return false;
        }

        message = new IdentifyMessage
        {
            PublicKey = parsed.PublicKey.ToByteArray(),
            ListenAddresses = AddressesOf(parsed.ListenAddrs),
            Protocols = [.. parsed.Protocols.Where(p => p.Length is > 0 and <= MultistreamSelect.MaxToken).Take(MaxEntries)],
            ObservedAddress =
                parsed.HasObservedAddr && Multiaddr.TryParse(parsed.ObservedAddr.Span, out Multiaddr? observed) ? observed : null,
            ProtocolVersion = Cut(parsed.ProtocolVersion),
            AgentVersion = Cut(parsed.AgentVersion),
            PeerRecordEnvelope =
                parsed.SignedPeerRecord.Length <= SignedPeerRecord.MaxLength ? parsed.SignedPeerRecord.ToByteArray() : [],
        };
        return true;
    }

    /// <summary>Encodes the message.</summary>
    public byte[] Encode()
    {
        var message = new Proto.Identify
        {
            ListenAddrs = { ListenAddresses.Select(address => ByteString.CopyFrom(address.Bytes)) },
            Protocols = { Protocols },
            ProtocolVersion = ProtocolVersion,
            AgentVersion = AgentVersion,
        };
        if (PublicKey.Length > 0)
        {
            message.PublicKey = ByteString.CopyFrom(PublicKey);
        }

        if (ObservedAddress is { } observed)
        {
            message.ObservedAddr = ByteString.CopyFrom(observed.Bytes);
        }

        if (PeerRecordEnvelope.Length > 0)
        {
            message.SignedPeerRecord = ByteString.CopyFrom(PeerRecordEnvelope);
        }

        return message.ToByteArray();
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

    /// <summary>The valid ones of some binary addresses, at most <see cref="MaxEntries"/>.</summary>
    internal static List<Multiaddr> AddressesOf(IEnumerable<ByteString> binary)
    {
        var addresses = new List<Multiaddr>();
        foreach (ByteString bytes in binary)
        {
            if (addresses.Count < MaxEntries && Multiaddr.TryParse(bytes.Span, out Multiaddr? address))
            {
                addresses.Add(address);
            }
        }

        return addresses;
    }

    // Half a surrogate pair is not left at the end.
    private static string Cut(string text) =>
        text.Length <= MaxText ? text : text[..(MaxText - (char.IsHighSurrogate(text[MaxText - 1]) ? 1 : 0))];
}
