using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Ipcs.Multiformats;

/// <summary>
/// A protocol of the multiaddr table. Table: https://github.com/multiformats/multiaddr/blob/master/protocols.csv.
/// </summary>
public sealed class MultiaddrProtocol
{
    /// <summary>TCP.</summary>
    public const uint Tcp = 6;

    /// <summary>A libp2p peer.</summary>
    public const uint P2p = 421;

    private const uint Ip4 = 4;
    private const uint Ip6 = 41;
    private const uint CertHash = 466;

    private static readonly MultiaddrProtocol[] Table =
    [
        new(Ip4, "ip4", 4), new(Tcp, "tcp", 2), new(Ip6, "ip6", 16), new(42, "ip6zone", -1),
        new(53, "dns", -1), new(54, "dns4", -1), new(55, "dns6", -1), new(56, "dnsaddr", -1),
        new(273, "udp", 2), new(280, "webrtc-direct", 0), new(290, "p2p-circuit", 0), new(P2p, "p2p", -1),
        new(448, "tls", 0), new(449, "sni", -1), new(460, "quic", 0), new(461, "quic-v1", 0), new(465, "webtransport", 0),
        new(CertHash, "certhash", -1), new(477, "ws", 0), new(478, "wss", 0), new(480, "http", 0),
    ];

    private MultiaddrProtocol(uint code, string name, int size)
    {
        Code = code;
        Name = name;
        Size = size;
    }

    /// <summary>The multicodec code.</summary>
    public uint Code { get; }

    /// <summary>The name in text.</summary>
    public string Name { get; }

    /// <summary>The size of the value in bytes; -1 when a varint length precedes it, 0 when there is none.</summary>
    public int Size { get; }

    /// <summary>True for protocols whose value is the host of a TCP address.</summary>
    public bool IsHost => Code is Ip4 or Ip6 or 53 or 54 or 55;

    internal static MultiaddrProtocol? ByName(string name) =>
        Array.Find(Table, p => p.Name == name) ?? (name == "ipfs" ? ByCode(P2p) : null);

    internal static MultiaddrProtocol? ByCode(ulong code) => Array.Find(Table, p => p.Code == code);

    internal bool TryEncode(string text, out byte[] data)
    {
        data = [];
        switch (Code)
        {
            case Ip4:
                // IPAddress also accepts "1.2.3" and octal numbers; only the dotted quad is legal here.
                if (!IPAddress.TryParse(text, out IPAddress? v4) || v4.AddressFamily != AddressFamily.InterNetwork || v4.ToString() != text)
                {
                    return false;
                }

                data = v4.GetAddressBytes();
                return true;
            case Ip6:
                if (text.Contains('%', StringComparison.Ordinal)
                    || !IPAddress.TryParse(text, out IPAddress? v6) || v6.AddressFamily != AddressFamily.InterNetworkV6)
                {
                    return false;
                }

                data = v6.GetAddressBytes();
                return true;
            case P2p:
                if (!PeerId.TryParse(text, out PeerId id))
                {
                    return false;
                }

                data = id.ToArray();
                return true;
            case CertHash:
                return TryDecodeBase64Url(text, out data) && Multihash.TryParse(data, out _);
            default:
                if (Size == 2)
                {
                    if (!ushort.TryParse(text, System.Globalization.NumberStyles.None, null, out ushort port))
                    {
                        return false;
                    }

                    data = new byte[2];
                    BinaryPrimitives.WriteUInt16BigEndian(data, port);
                    return true;
                }

                data = Encoding.UTF8.GetBytes(text);
                return data.Length > 0;
        }
    }

    internal bool TryDecode(ReadOnlySpan<byte> data, out string text)
    {
        text = "";
        switch (Code)
        {
            case Ip4 or Ip6:
                text = new IPAddress(data).ToString();
                return true;
            case P2p:
                bool isPeer = PeerId.TryParse(data, out PeerId id);
                text = id.ToString();
                return isPeer;
            case CertHash:
                text = "u" + System.Buffers.Text.Base64Url.EncodeToString(data);
                return Multihash.TryParse(data, out _);
            default:
                if (Size == 2)
                {
                    text = BinaryPrimitives.ReadUInt16BigEndian(data).ToString();
                    return true;
                }

                if (Size == 0)
                {
                    return true;
                }

                // A slash in a name would be parsed as the start of another component.
                if (data.IsEmpty || data.Contains((byte)'/') || !System.Text.Unicode.Utf8.IsValid(data))
                {
                    return false;
                }

                text = Encoding.UTF8.GetString(data);
                return true;
        }
    }

    private static bool TryDecodeBase64Url(string text, out byte[] data)
    {
        data = [];
        if (text.Length < 2 || text[0] != 'u' || !System.Buffers.Text.Base64Url.IsValid(text.AsSpan(1)))
        {
            return false;
        }

        data = System.Buffers.Text.Base64Url.DecodeFromChars(text.AsSpan(1));
        return true;
    }
}
