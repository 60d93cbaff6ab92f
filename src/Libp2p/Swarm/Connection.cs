using System.Net;
using Ipcs.Libp2p.Muxing;
using Ipcs.Multiformats;

namespace Ipcs.Libp2p.Swarm;

/// <summary>One upgraded connection to a peer. Owns the muxer.</summary>
internal sealed class Connection(Muxer muxer, Multiaddr address, IPAddress remoteAddress, bool inbound) : IAsyncDisposable
{
    private readonly Lock _lock = new();
    private long _usedAt;
    private long _creditedAt;
    private PeerInfo _info = new(muxer.RemotePeer, address, inbound, muxer.Name, [], "");

    /// <summary>The muxer.</summary>
    public Muxer Muxer => muxer;

    /// <summary>What is known about the peer. Replaced by <see cref="UpdateInfo"/>.</summary>
    public PeerInfo Info => Volatile.Read(ref _info);

    /// <summary>The peer at the other end.</summary>
    public PeerId Peer => muxer.RemotePeer;

    /// <summary>The remote IP address.</summary>
    public IPAddress RemoteAddress => remoteAddress;

    /// <summary>The network that the limits per address apply to.</summary>
    public IPAddress Network { get; } = RemoteNetwork.Of(remoteAddress);

    /// <summary>True when the peer dialled this host.</summary>
    public bool Inbound => inbound;

    /// <summary>When the connection was made, as a timestamp of the muxer's clock.</summary>
    public long OpenedAt { get; } = muxer.Time.GetTimestamp();

    /// <summary>
    /// Completes when the peer has answered the request for its identify message, also when the answer is a refusal: the connection works
    /// in both directions. Fails when the connection ends before, or the peer is silent.
    /// </summary>
    public TaskCompletionSource Identified { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Completes when the connection is closed and removed from the table.</summary>
    public TaskCompletionSource Removed { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>
    /// Replaces <see cref="Info"/> by a changed copy, and returns the copy. The change runs under a lock, so that identify messages and
    /// pings, which arrive on different threads, don't overwrite each other's changes.
    /// </summary>
    public PeerInfo UpdateInfo(Func<PeerInfo, PeerInfo> change)
    {
        lock (_lock)
        {
            PeerInfo changed = change(_info);
            Volatile.Write(ref _info, changed);
            return changed;
        }
    }

    /// <summary>Records now that the peer has used an application's stream, if it has since the last call.</summary>
    public void NoteUse()
    {
        if (muxer.TakeUse())
        {
            Volatile.Write(ref _usedAt, muxer.Time.GetTimestamp());
        }
    }

    /// <summary>Records that the peer has given this host what it had asked for.</summary>
    public void Credit() => Volatile.Write(ref _creditedAt, muxer.Time.GetTimestamp());

    /// <summary>What <see cref="ConnectionPolicy"/> decides by. A credit counts for <paramref name="creditTime"/>.</summary>
    public ConnectionFacts GetFacts(bool isProtected, TimeSpan creditTime)
    {
        NoteUse();
        TimeProvider time = muxer.Time;
        long usedAt = Volatile.Read(ref _usedAt), creditedAt = Volatile.Read(ref _creditedAt);
        return new ConnectionFacts(
            Network,
            isProtected,
            Dialled: !inbound,
            time.GetElapsedTime(OpenedAt),
            usedAt == 0 ? null : time.GetElapsedTime(usedAt),
            creditedAt != 0 && time.GetElapsedTime(creditedAt) < creditTime);
    }

    /// <summary>
    /// Ends the wait for the peer's identify message with an error, which counts as observed: no caller may be waiting.
    /// </summary>
    public void FailIdentify(string reason)
    {
        if (Identified.TrySetException(new ConnectException($"{Peer}: {reason}")))
        {
            _ = Identified.Task.Exception;
        }
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => muxer.DisposeAsync();
}
