using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using System.Net;
using System.Net.Sockets;

namespace Ipcs.Multiformats;

/// <summary>
/// A self-describing network address. Spec: https://github.com/multiformats/multiaddr. Immutable; equal when the bytes are.
/// </summary>
public sealed class Multiaddr : IEquatable<Multiaddr>
{
    /// <summary>The longest binary form accepted, in bytes, so that an address sent by a peer can't cost much memory.</summary>
    public const int MaxLength = 1024;

    /// <summary>The maximum number of components.</summary>
    public const int MaxComponents = 16;

    private readonly byte[] _bytes;

    private Multiaddr(byte[] bytes, IReadOnlyList<MultiaddrComponent> components)
    {
        _bytes = bytes;
        Components = components;
    }

    /// <summary>The components of the address.</summary>
    public IReadOnlyList<MultiaddrComponent> Components { get; }

    /// <summary>The binary form.</summary>
    public ReadOnlySpan<byte> Bytes => _bytes;

    /// <summary>The peer of the last <c>/p2p</c> component; null when there is none.</summary>
    public PeerId? PeerId
    {
        get
        {
            for (int i = Components.Count - 1; i >= 0; i--)
            {
                if (Components[i].Protocol.Code == MultiaddrProtocol.P2p
                    && Multiformats.PeerId.TryParse(Components[i].Value, out PeerId id))
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
    /// <exception cref="FormatException">The text is not a multiaddr.</exception>
    public static Multiaddr Parse(string text) =>
        TryParse(text, out Multiaddr? value) ? value : throw new FormatException($"'{text}' is not a multiaddr");

    /// <summary>Creates the multiaddr of a TCP end point.</summary>
    public static Multiaddr FromEndPoint(IPEndPoint endPoint)
    {
        IPAddress address = endPoint.Address.IsIPv4MappedToIPv6 ? endPoint.Address.MapToIPv4() : endPoint.Address;
        string family = address.AddressFamily == AddressFamily.InterNetwork ? "ip4" : "ip6";
        return Parse($"/{family}/{new IPAddress(address.GetAddressBytes())}/tcp/{endPoint.Port}");
    }

    /// <summary>
    /// Gets the host (an IP address or a DNS name) and port of a plain TCP address: host, <c>tcp</c>, and optionally <c>p2p</c>.
    /// </summary>
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

    /// <summary>The same address with <c>/p2p/ID</c> at its end; unchanged when it ends in a <c>/p2p</c> already.</summary>
    public Multiaddr WithPeer(PeerId peer) =>
        Components[^1].Protocol.Code == MultiaddrProtocol.P2p ? this : Parse($"{this}/p2p/{peer}");

    /// <summary>The same address without a <c>/p2p/ID</c> at its end; null when nothing else is left.</summary>
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
