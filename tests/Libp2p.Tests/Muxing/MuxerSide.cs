using System.Threading.Channels;
using Ipcs.Libp2p.Muxing;
using Ipcs.Libp2p.Security.Noise;

namespace Ipcs.Libp2p.Tests.Muxing;

/// <summary>One muxer and the queue of streams that its peer has opened.</summary>
internal sealed record MuxerSide(Muxer Muxer, Channel<MuxedStream> Inbound)
{
    public static MuxerSide Create(
        Func<NoiseChannel, bool, MuxerSettings, Muxer> create, NoiseChannel channel, bool initiator, int maxInbound = 1024,
        ResourceLimit? memory = null)
    {
        var inbound = Channel.CreateUnbounded<MuxedStream>();
        var settings = new MuxerSettings
        {
            OnInbound = s => inbound.Writer.TryWrite(s),
            Time = TimeProvider.System,
            MaxInboundStreams = maxInbound,
            Memory = memory is null ? [] : [memory],
        };
        return new MuxerSide(create(channel, initiator, settings), inbound);
    }
}
