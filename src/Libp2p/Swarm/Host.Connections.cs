using System.Net;
using System.Net.Sockets;
using Ipcs.Libp2p.Ping;
using Ipcs.Libp2p.Transport;
using Ipcs.Multiformats;

namespace Ipcs.Libp2p.Swarm;

/// <summary>Connections: accepting, dialling, keeping alive and closing them.</summary>
public sealed partial class Host
{
    private static readonly TimeSpan FirstRedial = TimeSpan.FromMilliseconds(500);

    /// <summary>How long a redundant connection may go on for the streams that are open on it.</summary>
    private static readonly TimeSpan RetireTime = TimeSpan.FromSeconds(30);

    /// <summary>How long a redundant connection stays open at least, because the peer may just be opening a stream on it.</summary>
    private static readonly TimeSpan RetireGrace = TimeSpan.FromSeconds(1);

    /// <summary>The pause after a failed accept.</summary>
    private static readonly TimeSpan AcceptPause = TimeSpan.FromMilliseconds(50);

    /// <inheritdoc/>
    public Task<PeerInfo> ConnectAsync(Multiaddr address, CancellationToken cancellationToken) =>
        ConnectAsync(address, force: false, cancellationToken);

    /// <summary>
    /// As <see cref="ConnectAsync(Multiaddr, CancellationToken)"/>; with <paramref name="force"/> an address in back-off is dialled, too.
    /// </summary>
    /// <exception cref="ConnectException">The connection could not be made.</exception>
    public async Task<PeerInfo> ConnectAsync(Multiaddr address, bool force, CancellationToken cancellationToken)
    {
        if (address.PeerId == LocalPeer)
        {
            throw new ConnectException("this is the address of this host itself");
        }

        if (FindConnection(address) is { } existing)
        {
            return await WaitForIdentifyAsync(existing, cancellationToken);
        }

        if (!AddressResolver.CanDial(address))
        {
            throw new ConnectException($"{address} is not a TCP address");
        }

        Connection connection = await _dialer.DialAsync(address, force, FindConnection, AddDialledAsync, cancellationToken);
        return await WaitForIdentifyAsync(connection, cancellationToken);
    }

    /// <inheritdoc/>
    public async ValueTask<bool> DisconnectAsync(PeerId peer)
    {
        Connection[] connections = _table.FindAll(peer);
        foreach (Connection connection in connections)
        {
            await connection.DisposeAsync();
            await connection.Removed.Task;
        }

        return connections.Length > 0;
    }

    private static async Task<PeerInfo> WaitForIdentifyAsync(Connection connection, CancellationToken cancellationToken)
    {
        await connection.Identified.Task.WaitAsync(cancellationToken);
        return connection.Info;
    }

    /// <summary>
    /// Adds a connection that this host dialled, and waits for a sign of life: the handshakes succeed with a peer that then refuses the
    /// connection, because it has too many or does not allow this one.
    /// </summary>
    private Task AddDialledAsync(Multiaddr address, Connection connection)
    {
        if (_options.Peers.Contains(address))
        {
            Protect(address.ToString(), [connection.Peer]);
        }

        AddConnection(connection);
        return connection.Identified.Task;
    }

    private Connection? FindConnection(Multiaddr address) => address.PeerId is { } id ? _table.Find(id) : _table.FindDialled(address);

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
                    _tasks.Add(UpgradeInboundAsync(socket, address));
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
                // The process is out of descriptors, or the peer has closed the connection already. The pause avoids a busy loop.
                LogAcceptFailed(e.Message);
                await Task.Delay(AcceptPause, _time, _stopping.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }

    private async Task UpgradeInboundAsync(Socket socket, IPAddress address)
    {
        await Task.Yield();
        bool opened = false;
        try
        {
            socket.NoDelay = true;
            using var limit = new Deadline(_time, _options.UpgradeTime, _stopping.Token);
            Connection connection = await _upgrader.UpgradeAsync(new SocketChannel(socket, _bytes), inbound: true, limit.Token);
            if (connection.Peer == LocalPeer || !_options.Filter.Allows(connection.Peer))
            {
                await connection.DisposeAsync();
                throw new ConnectException($"{connection.Peer} is not allowed");
            }

            AddConnection(connection);
            opened = true;
        }
        catch (Exception e)
        {
            // Whatever a stranger sends may end its own connection only.
            socket.Dispose();
            LogInboundFailed(e.Message);
        }
        finally
        {
            _inboundConnections.EndHandshake(address, opened);
        }
    }

    /// <summary>Adds a connection to the table and starts its background tasks.</summary>
    /// <exception cref="ConnectException">There are too many connections; this one is closed.</exception>
    private void AddConnection(Connection connection)
    {
        Connection[] redundant = [];
        Connection[]? closed = _stopping.IsCancellationRequested ? null : _table.TryAdd(connection, out redundant);
        if (closed is null)
        {
            connection.Muxer.Close("too many connections");
            if (connection.Inbound)
            {
                _counters.AddRefusedHandshake();
            }

            throw new ConnectException($"{connection.Peer}: {_table.Count} connections are open already, or the peer has too many");
        }

        _tasks.Add(RunAsync(connection));
        foreach (Connection other in redundant)
        {
            _tasks.Add(RetireAsync(other));
        }

        foreach (Connection other in closed)
        {
            LogClosedForRoom(other.Peer, connection.Peer);
            _counters.AddClosedForRoom();
            _tasks.Add(other.DisposeAsync().AsTask());
        }

        foreach (PeerId peer in closed.Select(c => c.Peer).Distinct().Where(p => _table.Find(p) is null))
        {
            PeerDisconnected?.Invoke(peer);
        }
    }

    private async Task RunAsync(Connection connection)
    {
        Task<string> reading = connection.Muxer.RunAsync();
        Task identifying = IdentifyAsync(connection);
        Task pinging = KeepAliveAsync(connection);
        string reason = await reading;
        bool last = _table.Remove(connection);
        connection.Removed.SetResult();
        if (connection.Inbound)
        {
            _inboundConnections.CloseConnection(connection.RemoteAddress);
        }

        connection.FailIdentify(reason);
        await Task.WhenAll(identifying, pinging).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        LogDisconnected(connection.Peer, reason);
        if (last)
        {
            PeerDisconnected?.Invoke(connection.Peer);
        }
    }

    /// <summary>Closes a redundant connection as soon as it has no streams.</summary>
    private async Task RetireAsync(Connection connection)
    {
        CancellationToken closed = connection.Muxer.Closed;
        long start = _time.GetTimestamp();
        do
        {
            await Task.Delay(RetireGrace, _time, closed).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
        while (!closed.IsCancellationRequested && connection.Muxer.StreamCount > 0 && _time.GetElapsedTime(start) < RetireTime);

        await connection.DisposeAsync();
    }

    private async Task KeepAliveAsync(Connection connection)
    {
        CancellationToken closed = connection.Muxer.Closed;
        while (true)
        {
            // The jitter spreads the pings of many connections.
            TimeSpan pause = Jitter(_options.PingInterval, 0.75, 1.25);
            await Task.Delay(pause, _time, closed).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            connection.NoteUse();
            if (closed.IsCancellationRequested)
            {
                return;
            }

            using var limit = new Deadline(_time, _options.PingTime, closed);
            try
            {
                await using PeerStream stream = await OpenStreamAsync(connection, [PingProtocol.Name], limit.Token);
                TimeSpan latency = await PingProtocol.PingAsync(stream, _time, limit.Token);
                connection.UpdateInfo(info => info with { Latency = latency });
            }
            catch (Exception e) when (e is OperationCanceledException or ConnectException { InnerException: OperationCanceledException })
            {
                connection.Muxer.Close($"no answer to a ping within {_options.PingTime.TotalSeconds} s");
            }
            catch (IOException)
            {
                // A peer that refuses the protocol has answered, so it is alive.
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
                    // Waits for the end of the connection, then looks whether another one has replaced it.
                    await Task.Delay(Timeout.InfiniteTimeSpan, _time, connection.Muxer.Closed)
                        .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                    await Task.Delay(FirstRedial, _time, _stopping.Token);
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

            // The jitter keeps the hosts of a fleet from dialling a peer that has come back all at once.
            await Task.Delay(Jitter(pause, 0.5, 1.5), _time, _stopping.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }
}
