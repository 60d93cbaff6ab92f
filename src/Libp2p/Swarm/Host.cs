using System.Buffers;
using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using Ipcs.Libp2p.Identify;
using Ipcs.Libp2p.Muxing;
using Ipcs.Libp2p.Negotiation;
using Ipcs.Libp2p.Ping;
using Ipcs.Libp2p.Transport;
using Ipcs.Multiformats;
using Microsoft.Extensions.Logging;

namespace Ipcs.Libp2p.Swarm;

/// <summary>
/// A libp2p host over TCP, Noise, mplex and yamux. Owns the listeners, the connections and their loops; all are awaited at disposal.
/// </summary>
public sealed partial class Host : IHost, IAsyncDisposable
{
    private const string IdentifyProtocol = "/ipfs/id/1.0.0";
    private const string IdentifyPushProtocol = "/ipfs/id/push/1.0.0";

    private static readonly TimeSpan FirstRedial = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan LastRedial = TimeSpan.FromSeconds(30);

    private readonly HostOptions _options;
    private readonly ILogger _logger;
    private readonly ConcurrentDictionary<string, Func<PeerStream, CancellationToken, Task>> _handlers = new(StringComparer.Ordinal);
    private readonly Dictionary<PeerId, List<Connection>> _connections = [];
    private readonly Lock _lock = new();
    private readonly ConcurrentDictionary<Task, byte> _tasks = new();
    private readonly CancellationTokenSource _stopping = new();
    private readonly List<Socket> _listeners = [];
    private readonly SemaphoreSlim _pendingInbound;
    private List<Multiaddr> _listening;

    /// <summary>A host that does nothing until it is started.</summary>
    public Host(HostOptions options)
    {
        _options = options;
        _logger = options.Logger;
        _listening = [.. options.ListenAddresses];
        _pendingInbound = new SemaphoreSlim(options.MaxPendingInbound);
        Handle(PingProtocol.Name, PingProtocol.AnswerAsync);
        Handle(IdentifyProtocol, AnswerIdentifyAsync);
        Handle(IdentifyPushProtocol, TakeIdentifyPushAsync);
        Handle(PerfProtocol.Name, PerfProtocol.AnswerAsync);
    }

    /// <inheritdoc/>
    public event Action<PeerInfo>? PeerIdentified;

    /// <inheritdoc/>
    public event Action<PeerId>? PeerDisconnected;

    /// <inheritdoc/>
    public PeerId LocalPeer => _options.KeyPair.PeerId;

    /// <inheritdoc/>
    public IReadOnlyList<Multiaddr> ListenAddresses => _listening;

    /// <summary>What we speak.</summary>
    public IReadOnlyList<string> Protocols => [.. _handlers.Keys.Order(StringComparer.Ordinal)];

    /// <inheritdoc/>
    public IReadOnlyList<PeerInfo> Peers
    {
        get
        {
            lock (_lock)
            {
                return [.. _connections.Values.Select(c => c[0].Info)];
            }
        }
    }

    /// <inheritdoc/>
    public void Handle(string protocol, Func<PeerStream, CancellationToken, Task> handler) => _handlers[protocol] = handler;

    /// <summary>Opens the listeners and begins to dial the configured peers.</summary>
    public Task StartAsync(CancellationToken cancellationToken)
    {
        var real = new List<Multiaddr>();
        foreach (Multiaddr address in _options.ListenAddresses)
        {
            if (!address.TryGetTcp(out string? host, out int port) || !IPAddress.TryParse(host, out IPAddress? ip))
            {
                throw new IOException($"{address} is not an address to listen on");
            }

            var listener = new Socket(ip.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
            try
            {
                listener.Bind(new IPEndPoint(ip, port));
                listener.Listen(512);
            }
            catch (SocketException e)
            {
                listener.Dispose();
                throw new IOException($"can't listen on {address}: {e.Message}", e);
            }

            _listeners.Add(listener);
            real.Add(Multiaddr.FromEndPoint((IPEndPoint)listener.LocalEndPoint!));
        }

        _listening = real;
        foreach (Socket listener in _listeners)
        {
            Track(AcceptAsync(listener));
        }

        foreach (Multiaddr peer in _options.Peers)
        {
            Track(StayConnectedAsync(peer));
        }

        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public async Task<PeerInfo> ConnectAsync(Multiaddr address, CancellationToken cancellationToken)
    {
        PeerId? expected = address.PeerId;
        if (expected is { } id && FindConnection(id) is { } existing)
        {
            return await IdentifiedAsync(existing, cancellationToken);
        }

        if (expected == LocalPeer)
        {
            throw new ConnectException("that is this node itself");
        }

        if (!address.TryGetTcp(out string? host, out int port))
        {
            throw new ConnectException($"{address} is no TCP address");
        }

        Connection connection = await DialAsync(address, host, port, cancellationToken);
        if (expected is { } wanted && connection.Info.Peer != wanted)
        {
            await connection.DisposeAsync();
            throw new ConnectException($"{address}: {connection.Info.Peer} answers there, not {wanted}");
        }

        if (connection.Info.Peer == LocalPeer)
        {
            await connection.DisposeAsync();
            throw new ConnectException($"{address} is this node itself");
        }

        Start(connection);
        return await IdentifiedAsync(connection, cancellationToken);
    }

    /// <inheritdoc/>
    public async ValueTask<PeerStream> OpenStreamAsync(PeerId peer, IReadOnlyList<string> protocols, CancellationToken cancellationToken)
    {
        Connection connection = FindConnection(peer) ?? throw new ConnectException($"{peer} is not connected");
        return await OpenStreamAsync(connection, protocols, cancellationToken);
    }

    /// <inheritdoc/>
    public async ValueTask<bool> DisconnectAsync(PeerId peer)
    {
        Connection[] connections;
        lock (_lock)
        {
            connections = _connections.TryGetValue(peer, out List<Connection>? list) ? [.. list] : [];
        }

        foreach (Connection connection in connections)
        {
            await connection.DisposeAsync();
        }

        return connections.Length > 0;
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        _listeners.ForEach(l => l.Dispose());
        Connection[] open;
        lock (_lock)
        {
            open = [.. _connections.Values.SelectMany(c => c)];
        }

        foreach (Connection connection in open)
        {
            await connection.DisposeAsync();
        }

        await Task.WhenAll(_tasks.Keys).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    private async Task<PeerStream> OpenStreamAsync(Connection connection, IReadOnlyList<string> protocols, CancellationToken cancellationToken)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, connection.Muxer.Closed);
        limit.CancelAfter(_options.StreamTime);
        MuxedStream stream = await connection.Muxer.OpenAsync(limit.Token);
        try
        {
            stream.AgreedProtocol = await MultistreamSelect.SelectAsync(stream, protocols, limit.Token);
            return stream;
        }
        catch (Exception e)
        {
            stream.Reset();
            if (e is OperationCanceledException && !cancellationToken.IsCancellationRequested)
            {
                throw new ConnectException($"{connection.Info.Peer} did not agree on {protocols[0]} within {_options.StreamTime.TotalSeconds} s", e);
            }

            throw e is IOException and not ConnectException ? new ConnectException($"no stream to {connection.Info.Peer}: {e.Message}", e) : e;
        }
    }

    private async Task<Connection> DialAsync(Multiaddr address, string host, int port, CancellationToken cancellationToken)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _stopping.Token);
        limit.CancelAfter(_options.DialTime);
        string phase = "connect";
        try
        {
            AddressFamily family = address.Components[0].Protocol.Name switch
            {
                "ip4" or "dns4" => AddressFamily.InterNetwork,
                "ip6" or "dns6" => AddressFamily.InterNetworkV6,
                _ => AddressFamily.Unspecified,
            };
            IPAddress[] addresses = IPAddress.TryParse(host, out IPAddress? ip) ? [ip] : await Dns.GetHostAddressesAsync(host, family, limit.Token);
            var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
            try
            {
                await socket.ConnectAsync(addresses, port, limit.Token);
            }
            catch
            {
                socket.Dispose();
                throw;
            }

            phase = "handshake";
            limit.CancelAfter(_options.UpgradeTime);
            return await Connection.UpgradeAsync(new SocketChannel(socket), _options, inbound: false, OnStream, limit.Token);
        }
        catch (OperationCanceledException e) when (!cancellationToken.IsCancellationRequested)
        {
            throw new ConnectException($"{address}: no answer within {_options.DialTime.TotalSeconds} s ({phase})", e);
        }
        catch (Exception e) when (e is SocketException or IOException)
        {
            throw new ConnectException($"{address}: {phase} failed: {e.Message}", e);
        }
    }

    private async Task AcceptAsync(Socket listener)
    {
        while (!_stopping.IsCancellationRequested)
        {
            Socket socket;
            try
            {
                socket = await listener.AcceptAsync(_stopping.Token);
            }
            catch (Exception e) when (e is OperationCanceledException or ObjectDisposedException)
            {
                return;
            }
            catch (SocketException e)
            {
                // Out of descriptors, or the peer was gone before it was accepted: go on, but not in a tight loop.
                LogAcceptFailed(e.Message);
                await Task.Delay(50, _stopping.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                continue;
            }

            if (!_pendingInbound.Wait(0))
            {
                socket.Dispose();
                continue;
            }

            Track(TakeAsync(socket));
        }
    }

    private async Task TakeAsync(Socket socket)
    {
        try
        {
            socket.NoDelay = true;
            using var limit = CancellationTokenSource.CreateLinkedTokenSource(_stopping.Token);
            limit.CancelAfter(_options.UpgradeTime);
            Connection connection = await Connection.UpgradeAsync(new SocketChannel(socket), _options, inbound: true, OnStream, limit.Token);
            Start(connection);
        }
        catch (Exception e)
        {
            // A stranger's bytes: nothing that they hold may end more than their own connection.
            socket.Dispose();
            LogInboundFailed(e.Message);
        }
        finally
        {
            _pendingInbound.Release();
        }
    }

    /// <summary>Takes a connection in. A second one to the same peer is kept until one side closes it; streams go over the first.</summary>
    private void Start(Connection connection)
    {
        bool full;
        lock (_lock)
        {
            full = _stopping.IsCancellationRequested || _connections.Values.Sum(c => c.Count) >= _options.MaxConnections;
            if (!full)
            {
                if (!_connections.TryGetValue(connection.Info.Peer, out List<Connection>? list))
                {
                    _connections[connection.Info.Peer] = list = [];
                }

                list.Add(connection);
            }
        }

        if (full)
        {
            connection.Identified.TrySetException(new ConnectException($"{_options.MaxConnections} connections are open already"));
            _ = connection.Muxer.DisposeAsync().AsTask();
            return;
        }

        Track(RunAsync(connection));
    }

    private async Task RunAsync(Connection connection)
    {
        Task<string> reading = connection.Muxer.RunAsync();
        Task identifying = IdentifyAsync(connection);
        Task pinging = KeepAliveAsync(connection);
        string reason = await reading;
        bool last;
        lock (_lock)
        {
            List<Connection> list = _connections[connection.Info.Peer];
            list.Remove(connection);
            last = list.Count == 0;
            if (last)
            {
                _connections.Remove(connection.Info.Peer);
            }
        }

        connection.Identified.TrySetException(new ConnectException($"{connection.Info.Peer}: {reason}"));
        _ = connection.Identified.Task.Exception;
        await Task.WhenAll(identifying, pinging).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        LogDisconnected(connection.Info.Peer, reason);
        if (last)
        {
            PeerDisconnected?.Invoke(connection.Info.Peer);
        }
    }

    private async Task IdentifyAsync(Connection connection)
    {
        try
        {
            using var limit = CancellationTokenSource.CreateLinkedTokenSource(connection.Muxer.Closed);
            limit.CancelAfter(_options.IdentifyTime);
            await using PeerStream stream = await OpenStreamAsync(connection, [IdentifyProtocol], limit.Token);
            using IMemoryOwner<byte>? message = await stream.ReadMessageAsync(IdentifyMessage.MaxLength, limit.Token);
            if (message is null || !IdentifyMessage.TryDecode(message.Memory.Span, out IdentifyMessage? identify))
            {
                throw new InvalidDataException("the identify answer is no message");
            }

            Learn(connection, identify!);
        }
        catch (Exception e)
        {
            // A peer without identify stays connected: it may still ask us.
            LogIdentifyFailed(connection.Info.Peer, e.Message);
        }

        connection.Identified.TrySetResult();
    }

    private void Learn(Connection connection, IdentifyMessage message)
    {
        connection.Info = connection.Info with { Protocols = message.Protocols, AgentVersion = message.AgentVersion, ListenAddresses = message.ListenAddresses };
        connection.Identified.TrySetResult();
        PeerIdentified?.Invoke(connection.Info);
    }

    private async Task KeepAliveAsync(Connection connection)
    {
        CancellationToken closed = connection.Muxer.Closed;
        while (!closed.IsCancellationRequested)
        {
            await Task.Delay(_options.PingInterval, closed).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (closed.IsCancellationRequested)
            {
                return;
            }

            using var limit = CancellationTokenSource.CreateLinkedTokenSource(closed);
            limit.CancelAfter(_options.PingTime);
            try
            {
                await using PeerStream stream = await OpenStreamAsync(connection, [PingProtocol.Name], limit.Token);
                byte[] ping = new byte[32];
                await stream.WriteAsync(ping, limit.Token);
                await ((IByteChannel)stream).ReadExactlyAsync(ping, limit.Token);
            }
            catch (Exception e) when (e is OperationCanceledException || (e is ConnectException && e.InnerException is OperationCanceledException))
            {
                connection.Muxer.Close($"no answer to a ping within {_options.PingTime.TotalSeconds} s");
            }
            catch (IOException)
            {
                // "na" to ping is an answer: somebody lives there.
            }
        }
    }

    private async Task<PeerInfo> IdentifiedAsync(Connection connection, CancellationToken cancellationToken)
    {
        await connection.Identified.Task.WaitAsync(cancellationToken);
        return connection.Info;
    }

    private Connection? FindConnection(PeerId peer)
    {
        lock (_lock)
        {
            return _connections.TryGetValue(peer, out List<Connection>? list) ? list[0] : null;
        }
    }

    private void OnStream(MuxedStream stream) => Track(HandleAsync(stream));

    private async Task HandleAsync(MuxedStream stream)
    {
        await Task.Yield();
        try
        {
            Func<PeerStream, CancellationToken, Task> handler;
            using (var limit = CancellationTokenSource.CreateLinkedTokenSource(_stopping.Token, stream.ResetToken))
            {
                limit.CancelAfter(_options.StreamTime);
                stream.AgreedProtocol = await MultistreamSelect.AnswerAsync(stream, _handlers.ContainsKey, limit.Token);
                handler = _handlers[stream.AgreedProtocol];
            }

            using var stop = CancellationTokenSource.CreateLinkedTokenSource(_stopping.Token, stream.ResetToken);
            await handler(stream, stop.Token);
            await stream.DisposeAsync();
        }
        catch (Exception e)
        {
            // A handler's failure is its stream's.
            stream.Reset();
            LogStreamFailed(stream.RemotePeer, stream.AgreedProtocol, e.Message);
        }
    }

    private Task AnswerIdentifyAsync(PeerStream stream, CancellationToken cancellationToken)
    {
        var message = new IdentifyMessage
        {
            PublicKey = _options.KeyPair.PublicKeyProtobuf,
            ListenAddresses = _listening,
            Protocols = Protocols,
            ObservedAddress = FindConnection(stream.RemotePeer)?.Info.Address,
            ProtocolVersion = "ipfs/0.1.0",
            AgentVersion = _options.AgentVersion,
        };
        return stream.WriteMessageAsync(message.Encode(), cancellationToken).AsTask();
    }

    private async Task TakeIdentifyPushAsync(PeerStream stream, CancellationToken cancellationToken)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(_options.IdentifyTime);
        using IMemoryOwner<byte>? message = await stream.ReadMessageAsync(IdentifyMessage.MaxLength, limit.Token);
        if (message is not null
            && IdentifyMessage.TryDecode(message.Memory.Span, out IdentifyMessage? identify)
            && identify!.Protocols.Count > 0
            && FindConnection(stream.RemotePeer) is { } connection)
        {
            Learn(connection, identify);
        }
    }

    private async Task StayConnectedAsync(Multiaddr address)
    {
        TimeSpan pause = FirstRedial;
        while (!_stopping.IsCancellationRequested)
        {
            try
            {
                PeerInfo peer = await ConnectAsync(address, _stopping.Token);
                pause = FirstRedial;
                if (FindConnection(peer.Peer) is { } connection)
                {
                    await Task.Delay(Timeout.Infinite, connection.Muxer.Closed).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                }
            }
            catch (Exception e)
            {
                LogDialFailed(address, e.Message);
                pause = pause * 2 < LastRedial ? pause * 2 : LastRedial;
            }

            // Jitter: a fleet must not dial a returned peer in step.
            await Task.Delay(pause * (0.5 + Random.Shared.NextDouble()), _stopping.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private void Track(Task task)
    {
        _tasks.TryAdd(task, 0);
        _ = task.ContinueWith(t => _tasks.TryRemove(t, out _), CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "accept failed: {Reason}")]
    private partial void LogAcceptFailed(string reason);

    [LoggerMessage(Level = LogLevel.Debug, Message = "an inbound connection came to nothing: {Reason}")]
    private partial void LogInboundFailed(string reason);

    [LoggerMessage(Level = LogLevel.Debug, Message = "{Peer} is gone: {Reason}")]
    private partial void LogDisconnected(PeerId peer, string reason);

    [LoggerMessage(Level = LogLevel.Debug, Message = "{Peer} did not identify itself: {Reason}")]
    private partial void LogIdentifyFailed(PeerId peer, string reason);

    [LoggerMessage(Level = LogLevel.Debug, Message = "stream {Protocol} of {Peer} failed: {Reason}")]
    private partial void LogStreamFailed(PeerId peer, string protocol, string reason);

    [LoggerMessage(Level = LogLevel.Information, Message = "no connection to {Address}: {Reason}")]
    private partial void LogDialFailed(Multiaddr address, string reason);
}
