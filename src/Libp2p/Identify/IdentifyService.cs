using System.Buffers;
using System.Net;
using System.Net.NetworkInformation;
using System.Net.Sockets;
using Ipcs.Libp2p.Identity;
using Ipcs.Multiformats;

namespace Ipcs.Libp2p.Identify;

/// <summary>
/// Makes the host's identify message, and applies those of peers. Spec: https://github.com/libp2p/specs/blob/master/identify/README.md.
/// Thread-safe.
/// </summary>
internal sealed class IdentifyService(
    KeyPair key, string agentVersion, TimeProvider time, Func<IReadOnlyList<Multiaddr>> listening, Func<IReadOnlyList<string>> protocols)
{
    /// <summary>The protocol that asks for a peer's identify message.</summary>
    public const string Protocol = "/ipfs/id/1.0.0";

    /// <summary>The protocol that sends an identify message without a request.</summary>
    public const string PushProtocol = "/ipfs/id/push/1.0.0";

    /// <summary>How long the interfaces' addresses are cached: listing them takes longer than the rest of a message.</summary>
    private static readonly TimeSpan FreshTime = TimeSpan.FromSeconds(5);

    private readonly ObservedAddresses _observed = new();
    private readonly Lock _lock = new();

    /// <summary>
    /// The number of the last signed record. Starts at the current time, so that the records of a restarted host are newer.
    /// </summary>
    private long _sequence = time.GetUtcNow().ToUnixTimeMilliseconds();

    private Announcement _announcement = new([], [], 0);
    private bool _fresh;

    /// <summary>The addresses that the message announces.</summary>
    public IReadOnlyList<Multiaddr> Addresses => Current().Addresses;

    /// <summary>
    /// Reads an identify message, which the peer may send in several parts. <paramref name="apply"/> is called after each part with
    /// everything received so far.
    /// </summary>
    /// <exception cref="InvalidDataException">The message is empty or malformed.</exception>
    public static async Task ReadAsync(PeerStream stream, Action<IdentifyMessage> apply, CancellationToken cancellationToken)
    {
        var reader = new LengthPrefixedReader(stream, IdentifyMessage.MaxLength);
        IdentifyMessage? whole = null;
        for (int i = 0; i < IdentifyMessage.MaxMessages; i++)
        {
            using IMemoryOwner<byte>? bytes = await reader.ReadAsync(cancellationToken);
            if (bytes is null)
            {
                break;
            }

            if (!IdentifyMessage.TryDecode(bytes.Memory.Span, out IdentifyMessage? part))
            {
                throw new InvalidDataException("the identify message is malformed");
            }

            whole = whole is null ? part! : whole.With(part!);
            apply(whole);
        }

        if (whole is null)
        {
            throw new InvalidDataException("the identify message is empty");
        }
    }

    /// <summary>Updates what is known about a peer from its identify message. A signed record of another peer is ignored.</summary>
    /// <exception cref="InvalidDataException">The message has the public key of another peer.</exception>
    public static PeerInfo Apply(PeerInfo info, IdentifyMessage message)
    {
        if (message.PublicKey.Length > 0 && PeerId.FromPublicKey(message.PublicKey) != info.Peer)
        {
            throw new InvalidDataException("the identify message has the public key of another peer");
        }

        bool signed = SignedPeerRecord.TryOpen(message.PeerRecordEnvelope, out SignedPeerRecord? record)
            && record.Peer == info.Peer
            && record.Addresses.Count > 0;
        IReadOnlyList<Multiaddr> addresses = signed ? record!.Addresses : message.ListenAddresses;
        return info with
        {
            // A push may omit what has not changed.
            Protocols = message.Protocols.Count > 0 ? message.Protocols : info.Protocols,
            AgentVersion = message.AgentVersion.Length > 0 ? message.AgentVersion : info.AgentVersion,
            ListenAddresses = addresses.Count > 0
                ? [.. addresses.Select(a => a.WithoutPeer()).OfType<Multiaddr>()]
                : info.ListenAddresses,
        };
    }

    /// <summary>The encoded message for a peer whose address is <paramref name="remote"/>.</summary>
    public byte[] Message(Multiaddr? remote)
    {
        Announcement current = Current();
        return new IdentifyMessage
        {
            PublicKey = key.PublicKeyProtobuf,
            ListenAddresses = current.Addresses,
            Protocols = protocols(),
            ObservedAddress = remote,
            ProtocolVersion = "ipfs/0.1.0",
            AgentVersion = agentVersion,
            PeerRecordEnvelope = current.Record,
        }.Encode();
    }

    /// <summary>Drops the cached addresses.</summary>
    public void Invalidate()
    {
        lock (_lock)
        {
            _fresh = false;
        }
    }

    /// <summary>
    /// Notes the address under which a peer that this host dialled sees it. True when an address is now announced because of that.
    /// </summary>
    public bool Observe(Multiaddr? observed, IPAddress observer) => observed is not null && _observed.Add(observed, observer);

    private static IEnumerable<Multiaddr> Expand(Multiaddr listen, IReadOnlyList<IPAddress> observed)
    {
        if (!listen.TryGetTcp(out string? host, out int port) || !IPAddress.TryParse(host, out IPAddress? ip))
        {
            return [listen];
        }

        bool any = ip.Equals(IPAddress.Any) || ip.Equals(IPAddress.IPv6Any);
        if (!any)
        {
            return [listen];
        }

        return Interfaces(ip.AddressFamily).Concat(observed.Where(o => o.AddressFamily == ip.AddressFamily))
            .Select(a => Multiaddr.FromEndPoint(new IPEndPoint(a, port)));
    }

    /// <summary>The machine's own addresses. Loopback comes last: it can't be reached from other machines.</summary>
    private static IEnumerable<IPAddress> Interfaces(AddressFamily family) => NetworkInterface.GetAllNetworkInterfaces()
        .Where(i => i.OperationalStatus is OperationalStatus.Up or OperationalStatus.Unknown)
        .SelectMany(i => i.GetIPProperties().UnicastAddresses)
        .Select(a => a.Address)
        .Where(a => a.AddressFamily == family && !a.IsIPv6LinkLocal)
        .OrderBy(IPAddress.IsLoopback);

    private Announcement Current()
    {
        lock (_lock)
        {
            if (!_fresh || time.GetElapsedTime(_announcement.CreatedAt) >= FreshTime)
            {
                IReadOnlyList<IPAddress> observed = _observed.Confirmed;
                Multiaddr[] addresses =
                    [.. listening().SelectMany(a => Expand(a, observed)).Distinct().Take(IdentifyMessage.MaxEntries)];
                byte[] record = addresses.SequenceEqual(_announcement.Addresses) && _announcement.Record.Length > 0
                    ? _announcement.Record
                    : new SignedPeerRecord(key.PeerId, (ulong)++_sequence, addresses).Seal(key);
                _announcement = new Announcement(addresses, record, time.GetTimestamp());
                _fresh = true;
            }

            return _announcement;
        }
    }

    private sealed record Announcement(Multiaddr[] Addresses, byte[] Record, long CreatedAt);
}
