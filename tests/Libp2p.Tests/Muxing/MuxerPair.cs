using System.Threading.Channels;
using Ipcs.Libp2p.Muxing;
using Ipcs.Libp2p.Security.Noise;

namespace Ipcs.Libp2p.Tests.Muxing;

/// <summary>Two muxers over one connection, both running; inbound streams wait to be taken.</summary>
internal sealed class MuxerPair : IAsyncDisposable
{
    private readonly Task<string>[] _loops;

    private MuxerPair(MuxerSide dialler, MuxerSide listener)
    {
        Dialler = dialler;
        Listener = listener;
        _loops = [dialler.Muxer.RunAsync(), listener.Muxer.RunAsync()];
    }

    public MuxerSide Dialler { get; }

    public MuxerSide Listener { get; }

    public static async Task<MuxerPair> CreateAsync(
        Func<NoiseChannel, bool, MuxerSettings, Muxer> create, CancellationToken cancellationToken, int maxInbound = 1024, ResourceLimit? memory = null)
    {
        (NoiseChannel a, NoiseChannel b) = await Wire.ConnectNoiseAsync(cancellationToken);
        return new MuxerPair(MuxerSide.Create(create, a, true, maxInbound, memory), MuxerSide.Create(create, b, false, maxInbound, memory));
    }

    /// <summary>Opens a stream from one side and waits for it on the other.</summary>
    public async Task<(MuxedStream Opened, MuxedStream Accepted)> OpenAsync(bool byDialler, CancellationToken cancellationToken)
    {
        (MuxerSide from, MuxerSide to) = byDialler ? (Dialler, Listener) : (Listener, Dialler);
        MuxedStream opened = await from.Muxer.OpenAsync(flush: true, cancellationToken);
        return (opened, await to.Inbound.Reader.ReadAsync(cancellationToken));
    }

    public async ValueTask DisposeAsync()
    {
        await Dialler.Muxer.DisposeAsync();
        await Listener.Muxer.DisposeAsync();
        await Task.WhenAll(_loops);
    }
}

/// <summary>One muxer and the streams that its peer has opened.</summary>
internal sealed record MuxerSide(Muxer Muxer, Channel<MuxedStream> Inbound)
{
    public static MuxerSide Create(Func<NoiseChannel, bool, MuxerSettings, Muxer> create, NoiseChannel channel, bool initiator, int maxInbound = 1024, ResourceLimit? memory = null)
    {
        var inbound = Channel.CreateUnbounded<MuxedStream>();
        var settings = new MuxerSettings { OnInbound = s => inbound.Writer.TryWrite(s), MaxInboundStreams = maxInbound, Memory = memory is null ? [] : [memory] };
        return new MuxerSide(create(channel, initiator, settings), inbound);
    }
}
