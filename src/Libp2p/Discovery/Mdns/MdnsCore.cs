using Ipcs.Libp2p.Dns;
using Ipcs.Multiformats;

namespace Ipcs.Libp2p.Discovery.Mdns;

/// <summary>
/// libp2p's discovery by multicast DNS as a state machine without sockets and clock. It queries <c>_p2p._udp.local</c>, answers queries
/// with this host's addresses, and reports the peers that answer. Spec: https://github.com/libp2p/specs/blob/master/discovery/mdns.md.
/// <code>
/// question:  _p2p._udp.local PTR ?
/// answer:    _p2p._udp.local PTR NAME._p2p._udp.local    additional: NAME._p2p._udp.local TXT "dnsaddr=MULTIADDR/p2p/PEER" ...
/// </code>
/// </summary>
internal sealed class MdnsCore
{
    /// <summary>The service name that all peers share.</summary>
    public const string Service = "_p2p._udp.local";

    /// <summary>The maximum number of peers reported within <see cref="ReportPause"/>: more are a flood, and ignored.</summary>
    public const int MaxPeers = 2048;

    /// <summary>The maximum number of peers in a message; a correct one has one.</summary>
    private const int MaxPeersPerMessage = 16;

    private const ushort ResponseFlags = 0x8400;
    private const uint Ttl = 120;

    /// <summary>The pause after the first query. Later pauses grow (RFC 6762, section 5.2: at least twofold).</summary>
    private static readonly TimeSpan FirstPause = TimeSpan.FromSeconds(1);

    /// <summary>The longest pause between queries: a peer whose answer was lost is found within it.</summary>
    private static readonly TimeSpan LastPause = TimeSpan.FromSeconds(60);

    /// <summary>RFC 6762, section 6: a record is multicast at most once a second, 20 to 120 ms after the query.</summary>
    private static readonly TimeSpan AnswerPause = TimeSpan.FromSeconds(1);

    /// <summary>How long a reported peer is not reported again.</summary>
    private static readonly TimeSpan ReportPause = TimeSpan.FromSeconds(30);

    private readonly PeerId _self;
    private readonly Func<IReadOnlyList<Multiaddr>> _addresses;
    private readonly Random _random;
    private readonly string _name;
    private readonly Dictionary<PeerId, DateTimeOffset> _reported = [];
    private DateTimeOffset _askAt;
    private TimeSpan _pause = FirstPause;
    private DateTimeOffset? _answerAt;
    private DateTimeOffset _answeredAt = DateTimeOffset.MinValue;

    /// <summary>Creates the state; the first query is due within 120 ms.</summary>
    /// <param name="now">The current time.</param>
    /// <param name="self">This host's id.</param>
    /// <param name="addresses">Returns the current addresses of this host.</param>
    /// <param name="random">For this host's record name, which must not reveal its id, and for jitter.</param>
    public MdnsCore(DateTimeOffset now, PeerId self, Func<IReadOnlyList<Multiaddr>> addresses, Random random)
    {
        _self = self;
        _addresses = addresses;
        _random = random;
        _name = string.Create(40, random, static (name, r) =>
        {
            for (int i = 0; i < name.Length; i++)
            {
                name[i] = "abcdefghijklmnopqrstuvwxyz0123456789"[r.Next(36)];
            }
        });
        _askAt = now + Jitter();
    }

    /// <summary>The time at which the next <see cref="Tick"/> is due.</summary>
    public DateTimeOffset NextTick => _answerAt is { } answer && answer < _askAt ? answer : _askAt;

    /// <summary>Sends the query and the answer that are due.</summary>
    public MdnsStep Tick(DateTimeOffset now)
    {
        var send = new List<DnsMessage>(1);
        if (now >= _askAt)
        {
            send.Add(new DnsMessage { Questions = [new DnsQuestion(Service, DnsType.Ptr)] });
            _askAt = now + (_pause * (0.8 + (0.4 * _random.NextDouble())));
            _pause = _pause * 3 < LastPause ? _pause * 3 : LastPause;
        }

        if (_answerAt <= now)
        {
            _answerAt = null;
            if (Answer() is { } answer)
            {
                _answeredAt = now;
                send.Add(answer);
            }
        }

        return send.Count > 0 ? new MdnsStep(send, []) : MdnsStep.Nothing;
    }

    /// <summary>Handles a received message.</summary>
    public MdnsStep Receive(DateTimeOffset now, DnsMessage message)
    {
        if (message.IsResponse)
        {
            List<FoundPeer> found = Found(now, message);
            return found.Count > 0 ? new MdnsStep([], found) : MdnsStep.Nothing;
        }

        if (message.Questions.Any(q => q is { Name: Service, Type: DnsType.Ptr or DnsType.Any }))
        {
            // One answer serves all queries that arrive until it is sent.
            DateTimeOffset soon = now + Jitter(), allowed = _answeredAt + AnswerPause;
            _answerAt ??= soon > allowed ? soon : allowed;
        }

        return MdnsStep.Nothing;
    }

    private DnsMessage? Answer()
    {
        string[] texts = [.. _addresses().Where(IsReachable).Select(a => $"dnsaddr={a.WithPeer(_self)}")];
        string name = $"{_name}.{Service}";
        return texts.Length == 0
            ? null
            : new DnsMessage
            {
                Flags = ResponseFlags,
                // Exactly one PTR record: js-libp2p uses only the last.
                Answers = [DnsRecord.Pointer(Service, Ttl, name)],
                Additionals = [DnsRecord.Text(name, Ttl, texts)],
            };
    }

    private List<FoundPeer> Found(DateTimeOffset now, DnsMessage message)
    {
        var addresses = new Dictionary<PeerId, List<Multiaddr>>();
        foreach (string text in message.Answers.Concat(message.Additionals)
            .Where(r => r.Type == DnsType.Txt && r.Name.EndsWith("." + Service, StringComparison.Ordinal))
            .SelectMany(r => r.Strings()))
        {
            if (!text.StartsWith("dnsaddr=", StringComparison.Ordinal)
                || !Multiaddr.TryParse(text["dnsaddr=".Length..], out Multiaddr? address)
                || address.PeerId is not { } peer || peer == _self
                || address.WithoutPeer() is not { } bare || !IsReachable(bare))
            {
                continue;
            }

            if (!addresses.TryGetValue(peer, out List<Multiaddr>? list) && addresses.Count < MaxPeersPerMessage)
            {
                addresses[peer] = list = [];
            }

            if (list?.Count < InterfaceAddresses.MaxAddresses)
            {
                list.Add(bare);
            }
        }

        return [.. addresses.Where(p => Report(now, p.Key)).Select(p => new FoundPeer(p.Key, p.Value))];
    }

    private bool Report(DateTimeOffset now, PeerId peer)
    {
        if (_reported.TryGetValue(peer, out DateTimeOffset last) && now - last < ReportPause)
        {
            return false;
        }

        if (_reported.Count >= MaxPeers)
        {
            foreach (PeerId old in _reported.Where(p => now - p.Value >= ReportPause).Select(p => p.Key).ToArray())
            {
                _reported.Remove(old);
            }
        }

        if (_reported.Count >= MaxPeers)
        {
            return false;
        }

        _reported[peer] = now;
        return true;
    }

    /// <summary>
    /// False for loopback addresses, which other machines can't reach, and for names, which mDNS must not make a host look up.
    /// </summary>
    private static bool IsReachable(Multiaddr address) => address.ScopeOf() is NetworkScope.Private or NetworkScope.Public;

    private TimeSpan Jitter() => TimeSpan.FromMilliseconds(20 + (100 * _random.NextDouble()));
}
