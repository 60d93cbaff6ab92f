using Ipcs.Libp2p.Muxing;
using Ipcs.Libp2p.Security.Noise;

namespace Ipcs.Libp2p.Tests.Muxing;

/// <summary>Two running muxers over one connection; inbound streams are queued.</summary>
internal sealed class MuxerPair : IAsyncDisposable
{
    private readonly Task<string>[] _loops;
    private readonly List<MuxedStream> _streams = [];

    private MuxerPair(MuxerSide dialler, MuxerSide listener)
    {
        Dialler = dialler;
        Listener = listener;
        _loops = [dialler.Muxer.RunAsync(), listener.Muxer.RunAsync()];
    }

    public MuxerSide Dialler { get; }

    public MuxerSide Listener { get; }

    public static async Task<MuxerPair> CreateAsync(
        Func<NoiseChannel, bool, MuxerSettings, Muxer> create, CancellationToken cancellationToken, int maxInbound = 1024,
        ResourceLimit? memory = null)
    {
        (NoiseChannel a, NoiseChannel b) = await Wire.ConnectNoiseAsync(cancellationToken);
        return new MuxerPair(MuxerSide.Create(create, a, true, maxInbound, memory), MuxerSide.Create(create, b, false, maxInbound, memory));
    }

    /// <summary>Opens a stream on one side and accepts it on the other.</summary>
    public async Task<(MuxedStream Opened, MuxedStream Accepted)> OpenAsync(bool byDialler, CancellationToken cancellationToken)
    {
        (MuxerSide from, MuxerSide to) = byDialler ? (Dialler, Listener) : (Listener, Dialler);
        MuxedStream opened = await from.Muxer.OpenAsync(flush: true, cancellationToken);
        MuxedStream accepted = await to.Inbound.Reader.ReadAsync(cancellationToken);
        _streams.AddRange([opened, accepted]);
        return (opened, accepted);
    }

    public async ValueTask DisposeAsync()
    {
        await Dialler.Muxer.DisposeAsync();
        await Listener.Muxer.DisposeAsync();
        await Task.WhenAll(_loops);
        _streams.ForEach(stream => stream.Reset());
    }
}
