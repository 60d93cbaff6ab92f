using System.Buffers;
using System.Collections.Concurrent;
using Ipcs.Kademlia.Routing;
using Ipcs.Kademlia.Wire;
using Ipcs.Libp2p;
using Ipcs.Multiformats;

namespace Ipcs.Kademlia;

/// <summary>Answers one DHT question.</summary>
internal delegate bool DhtAnswer(PeerId from, bool fromThisMachine, DhtMessage request, out DhtMessage? answer);

/// <summary>Serves the streams of others: question after question, each bounded, until the peer closes or is silent for too long.</summary>
internal sealed class DhtServer(IHost host, DhtAnswer answer)
{
    /// <summary>Streams in all: each holds a buffer and a task.</summary>
    private const int MaxStreams = 512;

    /// <summary>Streams of one peer: lookups that run at once have one each.</summary>
    private const int MaxStreamsPerPeer = 16;

    /// <summary>How long a stream may be silent.</summary>
    private static readonly TimeSpan IdleTime = TimeSpan.FromSeconds(60);

    private readonly ConcurrentDictionary<PeerId, int> _streams = new();
    private int _count;

    /// <summary>Serves one stream; an exception resets it.</summary>
    public async Task ServeAsync(PeerStream stream, CancellationToken cancellationToken)
    {
        int ofPeer = _streams.AddOrUpdate(stream.RemotePeer, 1, (_, n) => n + 1);
        int all = Interlocked.Increment(ref _count);
        try
        {
            if (ofPeer > MaxStreamsPerPeer || all > MaxStreams)
            {
                throw new InvalidDataException("too many DHT streams at once");
            }

            await ServeQuestionsAsync(stream, cancellationToken);
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

    private async Task ServeQuestionsAsync(PeerStream stream, CancellationToken cancellationToken)
    {
        bool thisMachine = host.Peers.FirstOrDefault(p => p.Peer == stream.RemotePeer) is { } info && PeerAddresses.IsThisMachine(info.Address);
        var reader = new LengthPrefixedReader(stream, DhtMessage.MaxRequestLength);
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        while (true)
        {
            limit.CancelAfter(IdleTime);
            DhtMessage? request;
            using (IMemoryOwner<byte>? bytes = await reader.ReadAsync(limit.Token))
            {
                if (bytes is null)
                {
                    return;
                }

                if (!DhtMessage.TryDecode(bytes.Memory.Span, out request))
                {
                    throw new InvalidDataException("what came is no DHT message");
                }
            }

            if (!answer(stream.RemotePeer, thisMachine, request!, out DhtMessage? reply))
            {
                throw new InvalidDataException($"{request!.Type} is not a legal question");
            }

            if (reply is not null)
            {
                await stream.WriteMessageAsync(reply.Encode(), limit.Token);
            }
        }
    }
}
