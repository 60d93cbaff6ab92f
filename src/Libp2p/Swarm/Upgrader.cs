using System.Net;
using Ipcs.Libp2p.Muxing;
using Ipcs.Libp2p.Muxing.Mplex;
using Ipcs.Libp2p.Muxing.Yamux;
using Ipcs.Libp2p.Negotiation;
using Ipcs.Libp2p.Security.Noise;
using Ipcs.Libp2p.Security.Pnet;
using Ipcs.Libp2p.Transport;
using Ipcs.Multiformats;

namespace Ipcs.Libp2p.Swarm;

/// <summary>
/// Upgrades transports to connections: the swarm key if there is one, then Noise and a muxer, each negotiated by multistream-select.
/// Spec: https://github.com/libp2p/specs/blob/master/connections/README.md. Owns the Noise identity.
/// </summary>
internal sealed class Upgrader(HostOptions options, ResourceManager resources, Action<MuxedStream> onInbound) : IDisposable
{
    private const string NoiseProtocol = "/noise";

    private readonly NoiseIdentity _identity = new(options.KeyPair);
    private readonly string[] _muxers = [.. options.Muxers.Select(m => m == "mplex" ? MplexMuxer.ProtocolName : YamuxMuxer.ProtocolName)];

    /// <summary>Runs all handshakes. Closes the transport when one fails.</summary>
    public async Task<Connection> UpgradeAsync(ITransportChannel transport, bool inbound, CancellationToken cancellationToken)
    {
        ITransportChannel outer = transport;
        NoiseChannel? channel = null;
        try
        {
            if (options.SwarmKey is { } key)
            {
                outer = await PnetChannel.HandshakeAsync(transport, key, cancellationToken);
            }

            if (inbound)
            {
                await MultistreamSelect.AnswerAsync(outer, static p => p == NoiseProtocol, cancellationToken);
            }
            else
            {
                await MultistreamSelect.SelectAsync(outer, [NoiseProtocol], cancellationToken);
            }

            channel = await NoiseChannel.HandshakeAsync(outer, _identity, !inbound, cancellationToken);
            string name = inbound
                ? await MultistreamSelect.AnswerAsync(channel, _muxers.Contains, cancellationToken)
                : await MultistreamSelect.SelectAsync(channel, _muxers, cancellationToken);
            IPAddress address = transport.RemoteEndPoint.Address;
            Muxer muxer = Mux(channel, name, inbound, resources.Open(channel.RemotePeer, address));
            return new Connection(muxer, Multiaddr.FromEndPoint(transport.RemoteEndPoint), address, inbound);
        }
        catch
        {
            channel?.EndReading();
            outer.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _identity.Dispose();

    private Muxer Mux(NoiseChannel channel, string name, bool inbound, ResourceScope scope)
    {
        var settings = new MuxerSettings
        {
            OnInbound = onInbound,
            Time = options.Time,
            MaxInboundStreams = options.Limits.MaxInboundStreamsPerConnection,
            MaxOutboundStreams = options.Limits.MaxOutboundStreamsPerConnection,
            MaxBuffered = options.Limits.MaxBufferedPerConnection,
            Memory = scope.Memory,
            Streams = scope.Streams,
        };
        Muxer muxer = name == MplexMuxer.ProtocolName
            ? new MplexMuxer(channel, !inbound, settings)
            : new YamuxMuxer(channel, !inbound, settings);
        muxer.Closed.UnsafeRegister(static state => ((ResourceScope)state!).Dispose(), scope);
        return muxer;
    }
}
