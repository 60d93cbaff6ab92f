using Ipcs.Libp2p.Identify;

namespace Ipcs.Libp2p.Swarm;

/// <summary>Identify: asking peers for their identify message, answering with the host's own, and pushing it when it changes.</summary>
public sealed partial class Host
{
    /// <summary>Changes within this time go out in one push.</summary>
    private static readonly TimeSpan PushPause = TimeSpan.FromMilliseconds(200);

    private async Task IdentifyAsync(Connection connection)
    {
        try
        {
            using var limit = new Deadline(_time, _options.IdentifyTime, connection.Muxer.Closed);
            await using PeerStream stream = await OpenStreamAsync(connection, [IdentifyService.Protocol], limit.Token);
            await IdentifyService.ReadAsync(stream, message => ApplyIdentify(connection, message), limit.Token);
        }
        catch (Exception e) when (e is IOException or OperationCanceledException or InvalidDataException)
        {
            // A peer without identify stays connected: it may still open streams to this host. One that is silent or closes the connection
            // can't be told from one that has refused it.
            LogIdentifyFailed(connection.Peer, e.Message);
            if (connection.Muxer.Closed.IsCancellationRequested)
            {
                // The end of the connection has a better reason, and sets it.
                return;
            }

            if (e is OperationCanceledException or ConnectException { InnerException: OperationCanceledException })
            {
                connection.FailIdentify($"no answer to identify within {_options.IdentifyTime.TotalSeconds} s");
            }
        }

        connection.Identified.TrySetResult();
    }

    private void ApplyIdentify(Connection connection, IdentifyMessage message)
    {
        PeerInfo info = connection.UpdateInfo(known => IdentifyService.Apply(known, message));
        connection.Identified.TrySetResult();

        // Only peers that this host dialled from its listening port see the address that others would dial. A peer that dials us could
        // claim anything.
        if (!connection.Inbound && _identify.Observe(message.ObservedAddress, connection.RemoteAddress))
        {
            _identify.Invalidate();
            _pushes.Release();
        }

        PeerIdentified?.Invoke(info);
    }

    private Task AnswerIdentifyAsync(PeerStream stream, CancellationToken cancellationToken) =>
        stream.WriteMessageAsync(_identify.Message(_table.Find(stream.RemotePeer)?.Info.Address), cancellationToken).AsTask();

    private async Task ReceiveIdentifyPushAsync(PeerStream stream, CancellationToken cancellationToken)
    {
        using var limit = new Deadline(_time, _options.IdentifyTime, cancellationToken);
        await IdentifyService.ReadAsync(
            stream,
            message =>
            {
                if (_table.Find(stream.RemotePeer) is { } connection)
                {
                    ApplyIdentify(connection, message);
                }
            },
            limit.Token);
    }

    /// <summary>Pushes the identify message to all connected peers whenever it has changed.</summary>
    private async Task PushAsync()
    {
        try
        {
            while (true)
            {
                await _pushes.WaitAsync(_stopping.Token);
                await Task.Delay(PushPause, _time, _stopping.Token);
                while (_pushes.Wait(0))
                {
                    // Changes made during the pause go out with this push.
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
            using var limit = new Deadline(_time, _options.IdentifyTime, _stopping.Token);
            await using PeerStream stream = await OpenStreamAsync(connection, [IdentifyService.PushProtocol], limit.Token);
            await stream.WriteMessageAsync(_identify.Message(connection.Info.Address), limit.Token);
        }
        catch (Exception e) when (e is IOException or OperationCanceledException)
        {
            LogIdentifyFailed(connection.Peer, e.Message);
        }
    }
}
