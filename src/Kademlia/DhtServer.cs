using System.Buffers;
using System.Collections.Concurrent;
using System.Diagnostics;
using Ipcs.Kademlia.Routing;
using Ipcs.Kademlia.Wire;
using Ipcs.Libp2p;
using Ipcs.Multiformats;

namespace Ipcs.Kademlia;

/// <summary>Answers one DHT request; false when the request is invalid.</summary>
internal delegate bool DhtAnswer(PeerId from, bool fromThisMachine, DhtMessage request, out DhtMessage? answer);

/// <summary>
/// Serves the streams that peers open: one request after the other, each of bounded length, until the peer closes the stream or is idle
/// for too long.
/// </summary>
internal sealed class DhtServer(IHost host, DhtAnswer answer, TimeProvider time)
{
    /// <summary>The most streams: each holds a buffer and a task.</summary>
    private const int MaxStreams = 512;

    /// <summary>The most streams of one peer: each of its concurrent lookups may have one.</summary>
    private const int MaxStreamsPerPeer = 16;

    /// <summary>How long a stream may be idle.</summary>
    private static readonly TimeSpan IdleTime = TimeSpan.FromSeconds(60);

    private readonly ConcurrentDictionary<PeerId, int> _streams = new();
    private int _count;

    /// <summary>Serves one stream. An exception resets it.</summary>
    public async Task ServeAsync(PeerStream stream, CancellationToken cancellationToken)
    {
        int ofPeer = _streams.AddOrUpdate(stream.RemotePeer, 1, (_, n) => n + 1);
        int all = Interlocked.Increment(ref _count);
        try
        {
            Debug.Assert(ofPeer > 0 && all > 0, "this stream is counted");
            if (ofPeer > MaxStreamsPerPeer || all > MaxStreams)
            {
                throw new InvalidDataException("too many DHT streams");
            }

            await ServeRequestsAsync(stream, cancellationToken);
        }
        finally
        {
            Interlocked.Decrement(ref _count);
            if (_streams.AddOrUpdate(stream.RemotePeer, 0, (_, n) => n - 1) == 0)
            {
                _streams.TryRemove(KeyValuePair.Create(stream.RemotePeer, 0));
            }
        }
    }

    private async Task ServeRequestsAsync(PeerStream stream, CancellationToken cancellationToken)
    {
        bool thisMachine = host.Peers.FirstOrDefault(p => p.Peer == stream.RemotePeer) is { } info
            && PeerAddresses.IsThisMachine(info.Address);
        var reader = new LengthPrefixedReader(stream, DhtMessage.MaxRequestLength);
        using var idle = new CancellationTokenSource(IdleTime, time);
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, idle.Token);
        while (true)
        {
            idle.CancelAfter(IdleTime);
            DhtMessage? request;
            using (IMemoryOwner<byte>? bytes = await reader.ReadAsync(limit.Token))
            {
                if (bytes is null)
                {
                    return;
                }

                if (!DhtMessage.TryDecode(bytes.Memory.Span, out request))
                {
                    throw new InvalidDataException("received a message that is no DHT message");
                }
            }

            if (!answer(stream.RemotePeer, thisMachine, request!, out DhtMessage? reply))
            {
                throw new InvalidDataException($"{request!.Type} is not a valid request");
            }

            if (reply is not null)
            {
                await stream.WriteMessageAsync(reply.Encode(), limit.Token);
            }
        }
    }
}
