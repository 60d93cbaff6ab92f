using System.Buffers;
using System.Text;
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

    /// <summary>Decodes a message. Unknown fields and addresses that we can't read are passed over; what is no protobuf is refused.</summary>
    public static bool TryDecode(ReadOnlySpan<byte> source, out IdentifyMessage? message)
    {
        message = null;
        byte[] key = [];
        string version = "", agent = "";
        Multiaddr? observed = null;
        var addresses = new List<Multiaddr>();
        var protocols = new List<string>();
        while (source.Length > 0)
        {
            if (Varint.TryRead(source, out ulong tag, out int n) != OperationStatus.Done || (tag & 7) != 2)
            {
                return false;
            }

            source = source[n..];
            if (Varint.TryRead(source, out ulong length, out n) != OperationStatus.Done || length > (ulong)(source.Length - n))
            {
                return false;
            }

            ReadOnlySpan<byte> value = source.Slice(n, (int)length);
            source = source[(n + (int)length)..];
            switch (tag >> 3)
            {
                case 1:
                    key = value.ToArray();
                    break;
                case 2 when addresses.Count < MaxEntries && Multiaddr.TryParse(value, out Multiaddr? address):
                    addresses.Add(address);
                    break;
                case 3 when protocols.Count < MaxEntries:
                    protocols.Add(Encoding.UTF8.GetString(value));
                    break;
                case 4 when Multiaddr.TryParse(value, out Multiaddr? seen):
                    observed = seen;
                    break;
                case 5:
                    version = Encoding.UTF8.GetString(value);
                    break;
                case 6:
                    agent = Encoding.UTF8.GetString(value[..Math.Min(value.Length, 256)]);
                    break;
                default:
                    break;
            }
        }

        message = new IdentifyMessage
        {
            PublicKey = key, ListenAddresses = addresses, Protocols = protocols, ObservedAddress = observed, ProtocolVersion = version, AgentVersion = agent,
        };
        return true;
    }

    /// <summary>Encodes the message.</summary>
    public byte[] Encode()
    {
        var output = new ArrayBufferWriter<byte>(512);
        Field(output, 1, PublicKey);
        foreach (Multiaddr address in ListenAddresses)
        {
            Field(output, 2, address.Bytes);
        }

        foreach (string protocol in Protocols)
        {
            Field(output, 3, Encoding.UTF8.GetBytes(protocol));
        }

        if (ObservedAddress is { } observed)
        {
            Field(output, 4, observed.Bytes);
        }

        Field(output, 5, Encoding.UTF8.GetBytes(ProtocolVersion));
        Field(output, 6, Encoding.UTF8.GetBytes(AgentVersion));
        return output.WrittenSpan.ToArray();
    }

    private static void Field(ArrayBufferWriter<byte> output, uint number, ReadOnlySpan<byte> value)
    {
        Span<byte> head = output.GetSpan(2 * Varint.MaxLength);
        int n = Varint.Write(head, (number << 3) | 2);
        output.Advance(n + Varint.Write(head[n..], (ulong)value.Length));
        output.Write(value);
    }
}
