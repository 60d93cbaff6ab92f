using System.Net;
using System.Net.Sockets;
using Ipcs.Libp2p.Identify;
using Ipcs.Libp2p.Ping;
using Ipcs.Libp2p.Transport;
using Ipcs.Multiformats;

namespace Ipcs.Libp2p.Swarm;

/// <summary>How connections come, live and go.</summary>
public sealed partial class Host
{
    private static readonly TimeSpan FirstRedial = TimeSpan.FromMilliseconds(500);

    /// <summary>How long a connection that a better one replaces may go on for the streams that it has.</summary>
    private static readonly TimeSpan RetireTime = TimeSpan.FromSeconds(30);

    /// <summary>How long it stays in any case: the peer may just be opening a stream on it.</summary>
    private static readonly TimeSpan RetireGrace = TimeSpan.FromSeconds(1);

    /// <summary>Changes within this time go out in one push.</summary>
    private static readonly TimeSpan PushPause = TimeSpan.FromMilliseconds(200);

    /// <inheritdoc/>
    public Task<PeerInfo> ConnectAsync(Multiaddr address, CancellationToken cancellationToken) => ConnectAsync(address, force: false, cancellationToken);

    /// <summary>As <see cref="ConnectAsync(Multiaddr, CancellationToken)"/>; with <paramref name="force"/> also an address that has just failed is tried.</summary>
    /// <exception cref="ConnectException">It could not be done; the message says where it failed.</exception>
    public async Task<PeerInfo> ConnectAsync(Multiaddr address, bool force, CancellationToken cancellationToken)
    {
        if (address.PeerId == LocalPeer)
        {
            throw new ConnectException("that is this node itself");
        }

        if (Existing(address) is { } existing)
        {
            return await IdentifiedAsync(existing, cancellationToken);
        }

        if (!AddressResolver.CanDial(address))
        {
            throw new ConnectException($"{address} is no TCP address");
        }

        Connection connection = await _dialer.DialAsync(address, force, Existing, Start, cancellationToken);
        return await IdentifiedAsync(connection, cancellationToken);
    }

    /// <inheritdoc/>
    public async ValueTask<bool> DisconnectAsync(PeerId peer)
    {
        Connection[] connections = _table.FindAll(peer);
        foreach (Connection connection in connections)
        {
            await connection.DisposeAsync();
            await connection.Gone.Task;
        }

        return connections.Length > 0;
    }

    private Connection? Existing(Multiaddr address) => address.PeerId is { } id ? _table.Find(id) : _table.FindDialled(address);

    private static async Task<PeerInfo> IdentifiedAsync(Connection connection, CancellationToken cancellationToken)
    {
        await connection.Identified.Task.WaitAsync(cancellationToken);
        return connection.Info;
    }

    private async Task AcceptAsync(Socket listener)
    {
        while (!_stopping.IsCancellationRequested)
        {
            try
            {
                Socket socket = await listener.AcceptAsync(_stopping.Token);
                if (socket.RemoteEndPoint is not IPEndPoint { Address: { } address } || !_options.Filter.Allows(address))
                {
                    socket.Dispose();
                }
                else if (_inboundConnections.TryBeginHandshake(address))
                {
                    Track(TakeAsync(socket, address));
                }
                else
                {
                    _counters.AddRefusedHandshake();
                    socket.Dispose();
                }
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
            }
        }
    }

    private async Task TakeAsync(Socket socket, IPAddress address)
    {
        await Task.Yield();
        bool opened = false;
        try
        {
            socket.NoDelay = true;
            using var limit = CancellationTokenSource.CreateLinkedTokenSource(_stopping.Token);
            limit.CancelAfter(_options.UpgradeTime);
            Connection connection = await _upgrader.UpgradeAsync(new SocketChannel(socket, _bytes), inbound: true, limit.Token);
            if (connection.Peer == LocalPeer || !_options.Filter.Allows(connection.Peer))
            {
                await connection.DisposeAsync();
                throw new ConnectException($"{connection.Peer} is not allowed");
            }

            Start(connection);
            opened = true;
        }
        catch (Exception e)
        {
            // A stranger's bytes: nothing that they hold may end more than their own connection.
            socket.Dispose();
            LogInboundFailed(e.Message);
        }
        finally
        {
            _inboundConnections.EndHandshake(address, opened);
        }
    }

    /// <summary>Takes a connection in and starts its loops.</summary>
    /// <exception cref="ConnectException">There are too many; it is closed.</exception>
    private void Start(Connection connection)
    {
        Connection[]? needless = _stopping.IsCancellationRequested ? null : _table.TryAdd(connection);
        if (needless is null)
        {
            connection.Muxer.Close("too many connections");
            if (connection.Inbound)
            {
                _counters.AddRefusedHandshake();
            }

            throw new ConnectException($"{connection.Peer}: {_table.Count} connections are open already, or the peer has too many");
        }

        Track(RunAsync(connection));
        foreach (Connection other in needless)
        {
            Track(RetireAsync(other));
        }
    }

    private async Task RunAsync(Connection connection)
    {
        Task<string> reading = connection.Muxer.RunAsync();
        Task identifying = IdentifyAsync(connection);
        Task pinging = KeepAliveAsync(connection);
        string reason = await reading;
        bool last = _table.Remove(connection);
        connection.Gone.SetResult();
        if (connection.Inbound)
        {
            _inboundConnections.CloseConnection(connection.RemoteAddress);
        }

        connection.Identified.TrySetException(new ConnectException($"{connection.Peer}: {reason}"));
        _ = connection.Identified.Task.Exception;
        await Task.WhenAll(identifying, pinging).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        LogDisconnected(connection.Peer, reason);
        if (last)
        {
            PeerDisconnected?.Invoke(connection.Peer);
        }
    }

    /// <summary>Closes a connection that a better one has replaced, as soon as it is idle.</summary>
    private static async Task RetireAsync(Connection connection)
    {
        CancellationToken closed = connection.Muxer.Closed;
        long end = Environment.TickCount64 + (long)RetireTime.TotalMilliseconds;
        do
        {
            await Task.Delay(RetireGrace, closed).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
        while (!closed.IsCancellationRequested && connection.Muxer.StreamCount > 0 && Environment.TickCount64 < end);

        await connection.DisposeAsync();
    }

    private async Task KeepAliveAsync(Connection connection)
    {
        CancellationToken closed = connection.Muxer.Closed;
        while (true)
        {
            // Jitter: the pings of many connections must not go out together.
            TimeSpan pause = _options.PingInterval * (0.75 + (Random.Shared.NextDouble() / 2));
            await Task.Delay(pause, closed).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (closed.IsCancellationRequested)
            {
                return;
            }

            using var limit = CancellationTokenSource.CreateLinkedTokenSource(closed);
            limit.CancelAfter(_options.PingTime);
            try
            {
                await using PeerStream stream = await OpenStreamAsync(connection, [PingProtocol.Name], limit.Token);
                connection.Info = connection.Info with { Latency = await PingProtocol.OnceAsync(stream, limit.Token) };
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

    private async Task StayConnectedAsync(Multiaddr address)
    {
        TimeSpan pause = FirstRedial;
        while (!_stopping.IsCancellationRequested)
        {
            try
            {
                PeerInfo peer = await ConnectAsync(address, force: true, _stopping.Token);
                pause = FirstRedial;
                while (_table.Find(peer.Peer) is { } connection)
                {
                    // Also after another connection has taken its place.
                    await Task.Delay(Timeout.Infinite, connection.Muxer.Closed).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                    await Task.Delay(FirstRedial, _stopping.Token);
                }
            }
            catch (Exception e) when (e is IOException or OperationCanceledException)
            {
                if (_stopping.IsCancellationRequested)
                {
                    return;
                }

                LogDialFailed(address, e.Message);
                pause = pause * 2 < _options.RedialTime ? pause * 2 : _options.RedialTime;
            }

            // Jitter: a fleet must not dial a returned peer in step.
            await Task.Delay(pause * (0.5 + Random.Shared.NextDouble()), _stopping.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private async Task IdentifyAsync(Connection connection)
    {
        try
        {
            using var limit = CancellationTokenSource.CreateLinkedTokenSource(connection.Muxer.Closed);
            limit.CancelAfter(_options.IdentifyTime);
            await using PeerStream stream = await OpenStreamAsync(connection, [IdentifyService.Protocol], limit.Token);
            await _identify.ReadAsync(stream, message => Learn(connection, message), limit.Token);
        }
        catch (Exception e) when (e is IOException or OperationCanceledException or InvalidDataException)
        {
            // A peer without identify stays connected: it may still ask us.
            LogIdentifyFailed(connection.Peer, e.Message);
        }

        connection.Identified.TrySetResult();
    }

    private void Learn(Connection connection, IdentifyMessage message)
    {
        connection.Info = _identify.Apply(connection.Info, message);
        connection.Identified.TrySetResult();

        // Whom we have dialled from a listening port of ours sees the address that others would; whoever dials us could tell us anything.
        if (!connection.Inbound && _identify.Observe(message.ObservedAddress, connection.RemoteAddress))
        {
            _identify.Invalidate();
            _pushes.Release();
        }

        PeerIdentified?.Invoke(connection.Info);
    }

    private Task AnswerIdentifyAsync(PeerStream stream, CancellationToken cancellationToken) =>
        stream.WriteMessageAsync(_identify.Message(_table.Find(stream.RemotePeer)?.Info.Address), cancellationToken).AsTask();

    private async Task TakeIdentifyPushAsync(PeerStream stream, CancellationToken cancellationToken)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(_options.IdentifyTime);
        await _identify.ReadAsync(
            stream,
            message =>
            {
                if (_table.Find(stream.RemotePeer) is { } connection)
                {
                    Learn(connection, message);
                }
            },
            limit.Token);
    }

    /// <summary>Tells every connected peer what has changed, whenever something has.</summary>
    private async Task PushAsync()
    {
        try
        {
            while (true)
            {
                await _pushes.WaitAsync(_stopping.Token);
                await Task.Delay(PushPause, _stopping.Token);
                while (_pushes.Wait(0))
                {
                    // What came meanwhile goes out with this one.
                }

                await Task.WhenAll(_table.Preferred.Where(c => c.Info.Protocols.Contains(IdentifyService.PushProtocol)).Select(PushAsync));
            }
        }
        catch (OperationCanceledException)
        {
            // The host stops.
        }
    }

    private async Task PushAsync(Connection connection)
    {
        try
        {
            using var limit = CancellationTokenSource.CreateLinkedTokenSource(_stopping.Token);
            limit.CancelAfter(_options.IdentifyTime);
            await using PeerStream stream = await OpenStreamAsync(connection, [IdentifyService.PushProtocol], limit.Token);
            await stream.WriteMessageAsync(_identify.Message(connection.Info.Address), limit.Token);
        }
        catch (Exception e) when (e is IOException or OperationCanceledException)
        {
            LogIdentifyFailed(connection.Peer, e.Message);
        }
    }
}
