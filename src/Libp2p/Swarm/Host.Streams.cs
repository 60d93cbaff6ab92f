using Ipcs.Libp2p.Identify;
using Ipcs.Libp2p.Muxing;
using Ipcs.Libp2p.Negotiation;
using Ipcs.Libp2p.Ping;
using Ipcs.Multiformats;

namespace Ipcs.Libp2p.Swarm;

/// <summary>Streams: opening and answering them.</summary>
public sealed partial class Host
{
    /// <inheritdoc/>
    public async ValueTask<PeerStream> OpenStreamAsync(PeerId peer, IReadOnlyList<string> protocols, CancellationToken cancellationToken)
    {
        Connection connection = _table.Find(peer) ?? throw new ConnectException($"{peer} is not connected");
        return await OpenStreamAsync(connection, protocols, cancellationToken);
    }

    private ValueTask<PeerStream> OpenStreamAsync(
        Connection connection, IReadOnlyList<string> protocols, CancellationToken cancellationToken)
    {
        // A protocol that the peer's identify message lists needs no round trip for the negotiation.
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
            SetProtocol(stream, protocol);
            stream.AwaitsNegotiation = true;
            await stream.WriteAsync(MultistreamSelect.Propose(protocol), cancellationToken);
            return stream;
        }
        catch (Exception e)
        {
            stream.Reset();
            throw e is IOException ? new ConnectException($"can't open a stream to {connection.Peer}: {e.Message}", e) : e;
        }
    }

    private async ValueTask<PeerStream> NegotiateAsync(
        Connection connection, IReadOnlyList<string> protocols, CancellationToken cancellationToken)
    {
        using var limit = new Deadline(_time, _options.StreamTime, cancellationToken, connection.Muxer.Closed);
        MuxedStream? stream = null;
        try
        {
            stream = await connection.Muxer.OpenAsync(flush: false, limit.Token);
            string protocol = await MultistreamSelect.SelectAsync(stream, protocols, limit.Token);
            SetProtocol(stream, protocol);
            return stream;
        }
        catch (Exception e)
        {
            stream?.Reset();
            if (e is OperationCanceledException && !cancellationToken.IsCancellationRequested)
            {
                throw new ConnectException(
                    connection.Muxer.Closed.IsCancellationRequested
                        ? $"the connection to {connection.Peer} has ended"
                        : $"{connection.Peer} did not agree on {protocols[0]} within {_options.StreamTime.TotalSeconds} s",
                    e);
            }

            throw e is IOException and not ConnectException
                ? new ConnectException($"can't open a stream to {connection.Peer}: {e.Message}", e)
                : e;
        }
    }

    private void OnStream(MuxedStream stream)
    {
        if (stream.Streams.TryReserve(1))
        {
            _tasks.Add(HandleAsync(stream));
        }
        else
        {
            stream.Reset();
            stream.HandlerEnded();
            LogStreamFailed(stream.RemotePeer, "", "too many streams are open, of the peer, from its address or on the host");
        }
    }

    private async Task HandleAsync(MuxedStream stream)
    {
        await Task.Yield();
        string? counted = null;
        try
        {
            string protocol = await AnswerNegotiationAsync(stream);
            if (!_inboundStreams.TryAdd(stream.RemotePeer, protocol))
            {
                throw new StreamResetException("too many streams of the protocol are open");
            }

            counted = protocol;
            SetProtocol(stream, protocol);
            await _handlers[protocol](stream, stream.ResetToken);
            await stream.DisposeAsync();
        }
        catch (Exception e)
        {
            // The failure of a handler ends its stream only.
            stream.Reset();
            LogStreamFailed(stream.RemotePeer, stream.NegotiatedProtocol, e.Message);
        }
        finally
        {
            await stream.ResetCallbacks.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (counted is not null)
            {
                _inboundStreams.Remove(stream.RemotePeer, counted);
            }

            stream.Streams.Release(1);
            stream.HandlerEnded();
        }
    }

    private void SetProtocol(MuxedStream stream, string protocol)
    {
        if (!stream.TrySetProtocol(protocol, _resources.MemoryOf(protocol)))
        {
            throw new StreamResetException("the protocol's streams have too many unread bytes");
        }

        stream.CountsAsUse = protocol is not (PingProtocol.Name or IdentifyService.Protocol or IdentifyService.PushProtocol);
    }

    private async Task<string> AnswerNegotiationAsync(MuxedStream stream)
    {
        using var limit = new Deadline(_time, _options.StreamTime, _stopping.Token);
        return await MultistreamSelect.AnswerAsync(stream, _handlers.ContainsKey, limit.Token);
    }
}
