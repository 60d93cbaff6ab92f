using Ipcs.Libp2p.Muxing;
using Ipcs.Libp2p.Negotiation;
using Ipcs.Multiformats;

namespace Ipcs.Libp2p.Swarm;

/// <summary>How streams are opened and answered.</summary>
public sealed partial class Host
{
    /// <inheritdoc/>
    public async ValueTask<PeerStream> OpenStreamAsync(PeerId peer, IReadOnlyList<string> protocols, CancellationToken cancellationToken)
    {
        Connection connection = _table.Find(peer) ?? throw new ConnectException($"{peer} is not connected");
        return await OpenStreamAsync(connection, protocols, cancellationToken);
    }

    private ValueTask<PeerStream> OpenStreamAsync(Connection connection, IReadOnlyList<string> protocols, CancellationToken cancellationToken)
    {
        // What the peer has told us that it speaks needs no round trip.
        foreach (string protocol in protocols)
        {
            if (connection.Info.Protocols.Contains(protocol))
            {
                return OpenKnownAsync(connection, protocol, cancellationToken);
            }
        }

        return NegotiateAsync(connection, protocols, cancellationToken);
    }

    private async ValueTask<PeerStream> OpenKnownAsync(Connection connection, string protocol, CancellationToken cancellationToken)
    {
        MuxedStream stream = await connection.Muxer.OpenAsync(flush: false, cancellationToken);
        try
        {
            Agree(stream, protocol);
            stream.AwaitsAnswer = true;
            await stream.WriteAsync(MultistreamSelect.Propose(protocol), cancellationToken);
            return stream;
        }
        catch (Exception e)
        {
            stream.Reset();
            throw e is IOException ? new ConnectException($"no stream to {connection.Peer}: {e.Message}", e) : e;
        }
    }

    private async ValueTask<PeerStream> NegotiateAsync(Connection connection, IReadOnlyList<string> protocols, CancellationToken cancellationToken)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, connection.Muxer.Closed);
        limit.CancelAfter(_options.StreamTime);
        MuxedStream? stream = null;
        try
        {
            stream = await connection.Muxer.OpenAsync(flush: false, limit.Token);
            string protocol = await MultistreamSelect.SelectAsync(stream, protocols, limit.Token);
            Agree(stream, protocol);
            return stream;
        }
        catch (Exception e)
        {
            stream?.Reset();
            if (e is OperationCanceledException && !cancellationToken.IsCancellationRequested)
            {
                throw new ConnectException(
                    connection.Muxer.Closed.IsCancellationRequested
                        ? $"the connection to {connection.Peer} is gone"
                        : $"{connection.Peer} did not agree on {protocols[0]} within {_options.StreamTime.TotalSeconds} s",
                    e);
            }

            throw e is IOException and not ConnectException ? new ConnectException($"no stream to {connection.Peer}: {e.Message}", e) : e;
        }
    }

    private void OnStream(MuxedStream stream)
    {
        if (stream.Streams.TryReserve(1))
        {
            Track(HandleAsync(stream));
        }
        else
        {
            stream.Reset();
            stream.HandlerEnded();
            LogStreamFailed(stream.RemotePeer, "", "too many streams are open: the peer's, those from its address, or all");
        }
    }

    private async Task HandleAsync(MuxedStream stream)
    {
        await Task.Yield();
        string? counted = null;
        try
        {
            string protocol = await AgreeAsync(stream);
            if (!_inboundStreams.TryAdd(stream.RemotePeer, protocol))
            {
                throw new StreamResetException("too many streams of that protocol are open");
            }

            counted = protocol;
            Agree(stream, protocol);
            await _handlers[protocol](stream, stream.ResetToken);
            await stream.DisposeAsync();
        }
        catch (Exception e)
        {
            // A handler's failure is its stream's.
            stream.Reset();
            LogStreamFailed(stream.RemotePeer, stream.AgreedProtocol, e.Message);
        }
        finally
        {
            if (counted is not null)
            {
                _inboundStreams.Remove(stream.RemotePeer, counted);
            }

            stream.Streams.Release(1);
            stream.HandlerEnded();
        }
    }

    private void Agree(MuxedStream stream, string protocol)
    {
        if (!stream.TryAgree(protocol, _resources.MemoryOf(protocol)))
        {
            throw new StreamResetException("too much of that protocol waits to be read");
        }
    }

    private async Task<string> AgreeAsync(MuxedStream stream)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(_stopping.Token);
        limit.CancelAfter(_options.StreamTime);
        return await MultistreamSelect.AnswerAsync(stream, _handlers.ContainsKey, limit.Token);
    }
}
