using System.Buffers;
using System.Net;
using System.Net.NetworkInformation;
using System.Net.Sockets;
using Ipcs.Libp2p.Identity;
using Ipcs.Multiformats;

namespace Ipcs.Libp2p.Identify;

/// <summary>
/// Tells peers who we are, where we listen and what we speak, when they ask and when it changes; and takes what they say.
/// Spec: https://github.com/libp2p/specs/blob/master/identify/README.md.
/// </summary>
internal sealed class IdentifyService(
    KeyPair key, string agentVersion, Func<IReadOnlyList<Multiaddr>> listening, Func<IReadOnlyList<string>> protocols)
{
    /// <summary>The protocol by which a peer is asked.</summary>
    public const string Protocol = "/ipfs/id/1.0.0";

    /// <summary>The protocol by which a peer says what has changed.</summary>
    public const string PushProtocol = "/ipfs/id/push/1.0.0";

    /// <summary>How long the interfaces are not asked again: that takes longer than all else in an answer.</summary>
    private static readonly TimeSpan FreshTime = TimeSpan.FromSeconds(5);

    private readonly ObservedAddresses _observed = new();

    /// <summary>Grows with every record; begins at the time of start, so that a restarted host's records are the later ones.</summary>
    private long _sequence = DateTimeOffset.UtcNow.ToUnixTimeMilliseconds();

    private readonly Lock _lock = new();
    private Announcement _announcement = new([], [], 0);

    /// <summary>Where others can reach us.</summary>
    public IReadOnlyList<Multiaddr> Addresses => Current().Addresses;

    /// <summary>The message as it goes to a peer at <paramref name="remote"/>.</summary>
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

    /// <summary>Looks again at once for what has changed.</summary>
    public void Invalidate()
    {
        lock (_lock)
        {
            _announcement = _announcement with { Until = 0 };
        }
    }

    /// <summary>Reads an answer: one message, or a few that the peer has split it into. <paramref name="learn"/> hears of it after each.</summary>
    /// <exception cref="IOException">The answer is none, or too long.</exception>
    public async Task ReadAsync(PeerStream stream, Action<IdentifyMessage> learn, CancellationToken cancellationToken)
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
                throw new InvalidDataException("an identify message is no protobuf of that kind");
            }

            whole = whole is null ? part! : whole.With(part!);
            learn(whole);
        }

        if (whole is null)
        {
            throw new InvalidDataException("the identify answer is empty");
        }
    }

    /// <summary>Lays what a peer says over what is known of it. A key or a record of somebody else is not the peer's word.</summary>
    /// <exception cref="InvalidDataException">The key is another's.</exception>
    public PeerInfo Apply(PeerInfo info, IdentifyMessage message)
    {
        if (message.PublicKey.Length > 0 && PeerId.FromPublicKey(message.PublicKey) != info.Peer)
        {
            throw new InvalidDataException("the key that identify shows is not the connection's");
        }

        bool signed = SignedPeerRecord.TryOpen(message.PeerRecordEnvelope, out SignedPeerRecord? record) && record.Peer == info.Peer && record.Addresses.Count > 0;
        IReadOnlyList<Multiaddr> addresses = signed ? record!.Addresses : message.ListenAddresses;
        return info with
        {
            // A push may leave out what has not changed.
            Protocols = message.Protocols.Count > 0 ? message.Protocols : info.Protocols,
            AgentVersion = message.AgentVersion.Length > 0 ? message.AgentVersion : info.AgentVersion,
            ListenAddresses = addresses.Count > 0 ? [.. addresses.Select(a => a.WithoutPeer()).OfType<Multiaddr>()] : info.ListenAddresses,
        };
    }

    /// <summary>Notes what a peer that we dialled sees us as. True when others should hear of it.</summary>
    public bool Observe(Multiaddr? observed, IPAddress observer) => observed is not null && _observed.Add(observed, observer);

    private Announcement Current()
    {
        lock (_lock)
        {
            if (Environment.TickCount64 >= _announcement.Until)
            {
                IReadOnlyList<IPAddress> observed = _observed.Confirmed;
                Multiaddr[] addresses = [.. listening().SelectMany(a => Expand(a, observed)).Distinct().Take(IdentifyMessage.MaxEntries)];
                byte[] record = addresses.SequenceEqual(_announcement.Addresses) && _announcement.Record.Length > 0
                    ? _announcement.Record
                    : new SignedPeerRecord(key.PeerId, (ulong)++_sequence, addresses).Seal(key);
                _announcement = new Announcement(addresses, record, Environment.TickCount64 + (long)FreshTime.TotalMilliseconds);
            }

            return _announcement;
        }
    }

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

    /// <summary>The machine's own addresses; the loopback ones last, since they lead nowhere from elsewhere.</summary>
    private static IEnumerable<IPAddress> Interfaces(AddressFamily family) => NetworkInterface.GetAllNetworkInterfaces()
        .Where(i => i.OperationalStatus is OperationalStatus.Up or OperationalStatus.Unknown)
        .SelectMany(i => i.GetIPProperties().UnicastAddresses)
        .Select(a => a.Address)
        .Where(a => a.AddressFamily == family && !a.IsIPv6LinkLocal)
        .OrderBy(IPAddress.IsLoopback);

    private sealed record Announcement(Multiaddr[] Addresses, byte[] Record, long Until);
}
