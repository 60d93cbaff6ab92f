using System.Buffers;
using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Ipcs.Multiformats;

/// <summary>
/// A self-describing network address. Spec: https://github.com/multiformats/multiaddr. Immutable; equal when the bytes are.
/// </summary>
public sealed class Multiaddr : IEquatable<Multiaddr>
{
    /// <summary>The longest binary form taken, in bytes: an address that a peer sends must not cost more than it is worth.</summary>
    public const int MaxLength = 1024;

    /// <summary>The most components taken.</summary>
    public const int MaxComponents = 16;

    private readonly byte[] _bytes;

    private Multiaddr(byte[] bytes, IReadOnlyList<MultiaddrComponent> components)
    {
        _bytes = bytes;
        Components = components;
    }

    /// <summary>The address, part by part.</summary>
    public IReadOnlyList<MultiaddrComponent> Components { get; }

    /// <summary>The binary form.</summary>
    public ReadOnlySpan<byte> Bytes => _bytes;

    /// <summary>The peer that the last <c>/p2p</c> component names, if there is one.</summary>
    public PeerId? PeerId
    {
        get
        {
            for (int i = Components.Count - 1; i >= 0; i--)
            {
                if (Components[i].Protocol.Code == MultiaddrProtocol.P2p && Multiformats.PeerId.TryParse(Components[i].Value, out PeerId id))
                {
                    return id;
                }
            }

            return null;
        }
    }

    /// <summary>Parses text such as <c>/ip4/127.0.0.1/tcp/4001/p2p/12D3…</c>.</summary>
    public static bool TryParse([NotNullWhen(true)] string? text, [NotNullWhen(true)] out Multiaddr? value)
    {
        value = null;
        if (string.IsNullOrEmpty(text) || text[0] != '/' || text.Length > 4 * MaxLength)
        {
            return false;
        }

        string[] words = text.TrimEnd('/').Split('/');
        var bytes = new ArrayBufferWriter<byte>(64);
        for (int i = 1, count = 0; i < words.Length; count++)
        {
            if (count == MaxComponents || MultiaddrProtocol.ByName(words[i++]) is not { } protocol)
            {
                return false;
            }

            byte[] data = [];
            if (protocol.Size != 0 && (i == words.Length || !protocol.TryEncode(words[i++], out data)))
            {
                return false;
            }

            Span<byte> head = bytes.GetSpan(2 * Varint.MaxLength);
            int n = Varint.Write(head, protocol.Code);
            if (protocol.Size < 0)
            {
                n += Varint.Write(head[n..], (ulong)data.Length);
            }

            bytes.Advance(n);
            bytes.Write(data);
        }

        return TryParse(bytes.WrittenSpan, out value);
    }

    /// <summary>Parses the binary form; unknown protocols, truncated values and trailing bytes are refused.</summary>
    public static bool TryParse(ReadOnlySpan<byte> bytes, [NotNullWhen(true)] out Multiaddr? value)
    {
        value = null;
        if (bytes.Length is 0 or > MaxLength)
        {
            return false;
        }

        var components = new List<MultiaddrComponent>(4);
        ReadOnlySpan<byte> rest = bytes;
        while (rest.Length > 0)
        {
            if (components.Count == MaxComponents
                || Varint.TryRead(rest, out ulong code, out int n) != OperationStatus.Done
                || MultiaddrProtocol.ByCode(code) is not { } protocol)
            {
                return false;
            }

            rest = rest[n..];
            int size = protocol.Size;
            if (size < 0)
            {
                if (Varint.TryRead(rest, out ulong length, out n) != OperationStatus.Done || length > MaxLength)
                {
                    return false;
                }

                rest = rest[n..];
                size = (int)length;
            }

            if (rest.Length < size || !protocol.TryDecode(rest[..size], out string text))
            {
                return false;
            }

            components.Add(new MultiaddrComponent(protocol, text));
            rest = rest[size..];
        }

        value = new Multiaddr(bytes.ToArray(), components);
        return true;
    }

    /// <summary>Parses the text form.</summary>
    /// <exception cref="FormatException">It is no multiaddr.</exception>
    public static Multiaddr Parse(string text) =>
        TryParse(text, out Multiaddr? value) ? value : throw new FormatException($"'{text}' is not a multiaddr");

    /// <summary>The multiaddr of a TCP end point.</summary>
    public static Multiaddr FromEndPoint(IPEndPoint endPoint)
    {
        IPAddress address = endPoint.Address.IsIPv4MappedToIPv6 ? endPoint.Address.MapToIPv4() : endPoint.Address;
        string family = address.AddressFamily == AddressFamily.InterNetwork ? "ip4" : "ip6";
        return Parse($"/{family}/{new IPAddress(address.GetAddressBytes())}/tcp/{endPoint.Port}");
    }

    /// <summary>The host (an IP address or a DNS name) and port, when the address is plain TCP: host, <c>tcp</c>, and at most a <c>p2p</c>.</summary>
    public bool TryGetTcp([NotNullWhen(true)] out string? host, out int port)
    {
        host = null;
        port = 0;
        bool shape = Components.Count == 2 || (Components.Count == 3 && Components[2].Protocol.Code == MultiaddrProtocol.P2p);
        if (!shape || Components[1].Protocol.Code != MultiaddrProtocol.Tcp || !Components[0].Protocol.IsHost)
        {
            return false;
        }

        host = Components[0].Value;
        port = int.Parse(Components[1].Value);
        return true;
    }

    /// <summary>The same address ending in <c>/p2p/ID</c>; itself when it does already.</summary>
    public Multiaddr WithPeer(PeerId peer) =>
        Components[^1].Protocol.Code == MultiaddrProtocol.P2p ? this : Parse($"{this}/p2p/{peer}");

    /// <summary>The same address without a <c>/p2p/ID</c> at its end; null when nothing else is in it.</summary>
    public Multiaddr? WithoutPeer()
    {
        if (Components[^1].Protocol.Code != MultiaddrProtocol.P2p)
        {
            return this;
        }

        return Components.Count == 1 ? null : Parse(string.Concat(Components.Take(Components.Count - 1)));
    }

    /// <summary>The canonical text.</summary>
    public override string ToString() => string.Concat(Components);

    /// <inheritdoc/>
    public bool Equals(Multiaddr? other) => other is not null && _bytes.AsSpan().SequenceEqual(other._bytes);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as Multiaddr);

    /// <inheritdoc/>
    public override int GetHashCode()
    {
        var hash = default(HashCode);
        hash.AddBytes(_bytes);
        return hash.ToHashCode();
    }
}

/// <summary>One part of a multiaddr: a protocol, and its value (empty for a protocol that takes none).</summary>
public readonly record struct MultiaddrComponent(MultiaddrProtocol Protocol, string Value)
{
    /// <summary><c>/name</c> or <c>/name/value</c>.</summary>
    public override string ToString() => Protocol.Size == 0 ? $"/{Protocol.Name}" : $"/{Protocol.Name}/{Value}";
}

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

    /// <summary>True for what can name the host of a TCP address.</summary>
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
                // IPAddress takes "1.2.3" and octal too; the dotted quad is the only legal form here.
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

                // A slash inside a name would read as another component.
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
