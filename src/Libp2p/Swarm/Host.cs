using System.Collections.Concurrent;
using System.Net;
using System.Net.NetworkInformation;
using System.Net.Sockets;
using Ipcs.Libp2p.Identify;
using Ipcs.Libp2p.Perf;
using Ipcs.Libp2p.Ping;
using Ipcs.Libp2p.Transport;
using Ipcs.Multiformats;
using Microsoft.Extensions.Logging;

namespace Ipcs.Libp2p.Swarm;

/// <summary>
/// A libp2p host over TCP, Noise, mplex and yamux. Owns the listeners, the connections and their background tasks; disposal waits for all.
/// This part starts and stops; the other parts manage connections and streams.
/// </summary>
public sealed partial class Host : IHost, IAsyncDisposable
{
    private const int Backlog = 1024;

    private readonly HostOptions _options;
    private readonly ILogger _logger;
    private readonly TimeProvider _time;
    private readonly Random _random;
    private readonly Lock _randomLock = new();
    private readonly ConcurrentDictionary<string, Func<PeerStream, CancellationToken, Task>> _handlers = new(StringComparer.Ordinal);
    private readonly TaskTracker _tasks = new();
    private readonly CancellationTokenSource _stopping = new();
    private readonly List<Socket> _listeners = [];
    private readonly ResourceManager _resources;
    private readonly ConnectionTable _table;
    private readonly InboundConnectionLimiter _inboundConnections;
    private readonly InboundStreamLimiter _inboundStreams;
    private readonly Upgrader _upgrader;
    private readonly Dialer _dialer;
    private readonly HostCounters _counters = new();
    private readonly ByteCounters _bytes = new();
    private readonly SwarmMeter _meter;
    private readonly IdentifyService _identify;
    private readonly SemaphoreSlim _pushes = new(0);
    private IReadOnlyList<Multiaddr> _listening;
    private volatile bool _started;

    /// <summary>Creates a host, which does nothing until it is started.</summary>
    public Host(HostOptions options)
    {
        _options = options;
        _logger = options.Logger;
        _time = options.Time;
        _random = new Random(options.Seed);
        _listening = [.. options.ListenAddresses];
        _resources = new ResourceManager(options.Limits);
        _table = new ConnectionTable(LocalPeer, options.Limits, options.GraceTime, options.Time);
        _inboundConnections = new InboundConnectionLimiter(options.Limits);
        _inboundStreams = new InboundStreamLimiter(options.Limits);
        _upgrader = new Upgrader(options, _resources, OnStream);
        _dialer = new Dialer(options, _upgrader, _counters, _bytes, _tasks, _stopping.Token);
        _meter = new SwarmMeter(GetStatistics);
        _identify = new IdentifyService(options.KeyPair, options.AgentVersion, options.Time, () => ListenAddresses, () => Protocols);
        Handle(PingProtocol.Name, PingProtocol.AnswerAsync);
        Handle(IdentifyService.Protocol, AnswerIdentifyAsync);
        Handle(IdentifyService.PushProtocol, ReceiveIdentifyPushAsync);
        Handle(PerfProtocol.Name, PerfProtocol.AnswerAsync);
    }

    /// <inheritdoc/>
    public event Action<PeerInfo>? PeerIdentified;

    /// <inheritdoc/>
    public event Action<PeerId>? PeerDisconnected;

    /// <inheritdoc/>
    public PeerId LocalPeer => _options.KeyPair.PeerId;

    /// <inheritdoc/>
    public TimeProvider Time => _time;

    /// <inheritdoc/>
    public IReadOnlyList<Multiaddr> ListenAddresses => Volatile.Read(ref _listening);

    /// <inheritdoc/>
    public IReadOnlyList<Multiaddr> AnnounceAddresses => _identify.Addresses;

    /// <summary>The protocols that have a handler.</summary>
    public IReadOnlyList<string> Protocols => [.. _handlers.Keys.Order(StringComparer.Ordinal)];

    /// <inheritdoc/>
    public IReadOnlyList<PeerInfo> Peers => [.. _table.Preferred.Select(c => c.Info)];

    /// <inheritdoc/>
    public void Handle(string protocol, Func<PeerStream, CancellationToken, Task> handler)
    {
        _handlers[protocol] = handler;
        if (_started)
        {
            _pushes.Release();
        }
    }

    /// <inheritdoc/>
    public int ConnectionTarget => _table.Target;

    /// <inheritdoc/>
    public void Protect(string tag, IReadOnlyCollection<PeerId> peers) => _table.Protect(tag, peers);

    /// <inheritdoc/>
    public void Credit(PeerId peer) => _table.Find(peer)?.Credit();

    /// <summary>The host's connections, streams and counters now.</summary>
    public HostStatistics GetStatistics()
    {
        IReadOnlyList<Connection> open = _table.All;
        return new HostStatistics(
            open.Count, _inboundConnections.Pending, open.Sum(c => c.Muxer.StreamCount), _resources.Memory.Used, _tasks.Count,
            _bytes.Received, _bytes.Sent, _counters.FailedDials, _counters.RefusedHandshakes, _counters.ClosedForRoom);
    }

    /// <summary>Opens the listeners and begins to dial the configured peers.</summary>
    /// <exception cref="IOException">An address can't be listened on.</exception>
    public Task StartAsync(CancellationToken cancellationToken)
    {
        var listening = new List<Multiaddr>();
        foreach (Multiaddr address in _options.ListenAddresses)
        {
            Socket listener = Listen(address);
            _listeners.Add(listener);
            listening.Add(Multiaddr.FromEndPoint((IPEndPoint)listener.LocalEndPoint!));
        }

        Volatile.Write(ref _listening, listening);
        _started = true;
        foreach (Socket listener in _listeners)
        {
            _tasks.Add(AcceptAsync(listener));
        }

        foreach (Multiaddr peer in _options.Peers)
        {
            if (peer.PeerId is { } id)
            {
                Protect(peer.ToString(), [id]);
            }

            _tasks.Add(StayConnectedAsync(peer));
        }

        _tasks.Add(PushAsync());
        NetworkChange.NetworkAddressChanged += OnNetworkChanged;
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        NetworkChange.NetworkAddressChanged -= OnNetworkChanged;
        _meter.Dispose();
        await _stopping.CancelAsync();
        _listeners.ForEach(l => l.Dispose());
        await Task.WhenAll(_table.All.Select(c => c.DisposeAsync().AsTask()));
        await _tasks.WhenAllAsync();
        _upgrader.Dispose();
    }

    private static Socket Listen(Multiaddr address)
    {
        if (!address.TryGetTcp(out string? host, out int port) || !IPAddress.TryParse(host, out IPAddress? ip))
        {
            throw new IOException($"{address} is not an address to listen on");
        }

        var listener = new Socket(ip.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            if (ip.AddressFamily == AddressFamily.InterNetworkV6)
            {
                // /ip6 means IPv6 only: another listener may use the same port for IPv4.
                listener.DualMode = false;
            }

            listener.Bind(new IPEndPoint(ip, port));
            listener.Listen(Backlog);
            return listener;
        }
        catch (SocketException e)
        {
            listener.Dispose();
            throw new IOException($"can't listen on {address}: {e.Message}", e);
        }
    }

    private void OnNetworkChanged(object? sender, EventArgs e)
    {
        _identify.Invalidate();
        _pushes.Release();
    }

    /// <summary>
    /// A pause that is randomly longer or shorter, from <paramref name="least"/> to <paramref name="most"/> times the given one.
    /// </summary>
    private TimeSpan Jitter(TimeSpan pause, double least, double most)
    {
        lock (_randomLock)
        {
            return pause * (least + ((most - least) * _random.NextDouble()));
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "accept failed: {Reason}")]
    private partial void LogAcceptFailed(string reason);

    [LoggerMessage(Level = LogLevel.Debug, Message = "inbound connection failed: {Reason}")]
    private partial void LogInboundFailed(string reason);

    [LoggerMessage(Level = LogLevel.Debug, Message = "{Peer} disconnected: {Reason}")]
    private partial void LogDisconnected(PeerId peer, string reason);

    [LoggerMessage(Level = LogLevel.Debug, Message = "{Peer} is disconnected to make room for {Other}")]
    private partial void LogClosedForRoom(PeerId peer, PeerId other);

    [LoggerMessage(Level = LogLevel.Debug, Message = "identify with {Peer} failed: {Reason}")]
    private partial void LogIdentifyFailed(PeerId peer, string reason);

    [LoggerMessage(Level = LogLevel.Debug, Message = "stream {Protocol} of {Peer} failed: {Reason}")]
    private partial void LogStreamFailed(PeerId peer, string protocol, string reason);

    [LoggerMessage(Level = LogLevel.Information, Message = "dial of {Address} failed: {Reason}")]
    private partial void LogDialFailed(Multiaddr address, string reason);
}
