using System.Collections.Concurrent;
using System.Threading.Channels;
using Ipcs.Libp2p;
using Ipcs.Libp2p.Identity;
using Ipcs.Multiformats;

namespace Ipcs.Fleet.Tests;

/// <summary>A host without a network: a test reads its dials and says how each ends.</summary>
internal sealed class DialLog(TimeProvider time) : IHost
{
    private readonly Channel<Dial> _dials = Channel.CreateUnbounded<Dial>();
    private IReadOnlyList<PeerInfo> _peers = [];

    public event Action<PeerInfo>? PeerIdentified
    {
        add { }
        remove { }
    }

    public event Action<PeerId>? PeerDisconnected
    {
        add { }
        remove { }
    }

    public PeerId LocalPeer { get; } = NewPeer();

    public TimeProvider Time => time;

    public IReadOnlyList<Multiaddr> ListenAddresses { get; } = [Multiaddr.Parse("/ip4/127.0.0.1/tcp/4001")];

    public IReadOnlyList<PeerInfo> Peers => _peers;

    public int ConnectionTarget { get; init; } = 1536;

    /// <summary>The protected peers by their tag.</summary>
    public ConcurrentDictionary<string, IReadOnlyCollection<PeerId>> Protected { get; } = new(StringComparer.Ordinal);

    /// <summary>The dials that no test has read yet.</summary>
    public int Unread => _dials.Reader.Count;

    public static PeerId NewPeer() => KeyPair.Generate().PeerId;

    /// <summary>Makes peers connected that have dialled this host.</summary>
    public void AddInbound(int count) =>
        _peers = [.. _peers, .. Enumerable.Range(0, count).Select(_ => new PeerInfo(
            NewPeer(), Multiaddr.Parse("/ip4/192.0.2.9/tcp/9"), Inbound: true, "/yamux/1.0.0", [], ""))];

    /// <summary>The next dial.</summary>
    public async Task<Dial> NextAsync() => await _dials.Reader.ReadAsync(TestContext.Current.CancellationToken);

    public async Task<PeerInfo> ConnectAsync(Multiaddr address, CancellationToken cancellationToken)
    {
        var dial = new Dial(address, cancellationToken);
        _dials.Writer.TryWrite(dial);
        PeerId peer = await dial.Answer.Task.WaitAsync(cancellationToken);
        var info = new PeerInfo(peer, address.WithoutPeer()!, Inbound: false, "/yamux/1.0.0", [], "");
        lock (_dials)
        {
            _peers = [.. _peers, info];
        }

        return info;
    }

    public void Handle(string protocol, Func<PeerStream, CancellationToken, Task> handler)
    {
    }

    public ValueTask<PeerStream> OpenStreamAsync(PeerId peer, IReadOnlyList<string> protocols, CancellationToken cancellationToken) =>
        throw new ConnectException("this host has no network");

    public void Protect(string tag, IReadOnlyCollection<PeerId> peers) => Protected[tag] = peers;

    public void Credit(PeerId peer)
    {
    }

    public ValueTask<bool> DisconnectAsync(PeerId peer) => ValueTask.FromResult(false);

    /// <summary>A dial that waits for the test.</summary>
    internal sealed record Dial(Multiaddr Address, CancellationToken Token)
    {
        public TaskCompletionSource<PeerId> Answer { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public void Fail() => Answer.SetException(new ConnectException("nobody answers"));
    }
}
