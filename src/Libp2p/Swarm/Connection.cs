using System.Net;
using Ipcs.Libp2p.Muxing;
using Ipcs.Libp2p.Muxing.Mplex;
using Ipcs.Libp2p.Muxing.Yamux;
using Ipcs.Libp2p.Negotiation;
using Ipcs.Libp2p.Security.Noise;
using Ipcs.Libp2p.Transport;
using Ipcs.Multiformats;

namespace Ipcs.Libp2p.Swarm;

/// <summary>One upgraded connection to a peer: TCP, Noise, a muxer. Owns the muxer.</summary>
internal sealed class Connection : IAsyncDisposable
{
    private const string NoiseProtocol = "/noise";

    private Connection(Muxer muxer, Multiaddr address, bool inbound)
    {
        Muxer = muxer;
        Info = new PeerInfo(muxer.RemotePeer, address, inbound, muxer.Name, [], "");
    }

    /// <summary>The muxer.</summary>
    public Muxer Muxer { get; }

    /// <summary>What is known of the peer; replaced when identify has answered.</summary>
    public PeerInfo Info { get; set; }

    /// <summary>Done when the peer's identify answer is in, or failed.</summary>
    public TaskCompletionSource Identified { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Negotiates security and a muxer over a connected socket. The socket is closed when that fails.</summary>
    public static async Task<Connection> UpgradeAsync(
        SocketChannel socket, HostOptions options, bool inbound, Action<MuxedStream> onStream, CancellationToken cancellationToken)
    {
        try
        {
            string[] muxers = [.. options.Muxers.Select(m => m == "mplex" ? MplexMuxer.ProtocolName : YamuxMuxer.ProtocolName)];
            if (inbound)
            {
                await MultistreamSelect.AnswerAsync(socket, p => p == NoiseProtocol, cancellationToken);
            }
            else
            {
                await MultistreamSelect.SelectAsync(socket, [NoiseProtocol], cancellationToken);
            }

            NoiseChannel channel = await NoiseChannel.HandshakeAsync(socket, options.KeyPair, !inbound, cancellationToken);
            string name = inbound
                ? await MultistreamSelect.AnswerAsync(channel, muxers.Contains, cancellationToken)
                : await MultistreamSelect.SelectAsync(channel, muxers, cancellationToken);
            Muxer muxer = name == MplexMuxer.ProtocolName
                ? new MplexMuxer(channel, !inbound, onStream)
                : new YamuxMuxer(channel, !inbound, onStream);
            return new Connection(muxer, Multiaddr.FromEndPoint((IPEndPoint)socket.Socket.RemoteEndPoint!), inbound);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => Muxer.DisposeAsync();
}
