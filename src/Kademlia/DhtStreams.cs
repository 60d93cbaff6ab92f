using System.Collections.Concurrent;
using Ipcs.Kademlia.Wire;
using Ipcs.Libp2p;
using Ipcs.Multiformats;

namespace Ipcs.Kademlia;

/// <summary>
/// Sends requests to peers and dials them where needed. Owns a <see cref="DhtStream"/> for each peer with a recent request; idle ones are
/// closed by <see cref="SweepAsync"/>.
/// </summary>
internal sealed class DhtStreams(IHost host, DhtOptions options, TimeProvider time) : IAsyncDisposable
{
    /// <summary>The most concurrent requests of all lookups: each may need a dial.</summary>
    private const int MaxRequests = 64;

    /// <summary>The delay between the dials to two addresses of a peer.</summary>
    private static readonly TimeSpan Stagger = TimeSpan.FromMilliseconds(500);

    private readonly ConcurrentDictionary<PeerId, DhtStream> _streams = new();
    private readonly SemaphoreSlim _requests = new(MaxRequests);

    /// <summary>Sends messages and reads the answer to the last one; the others must be of types that have no answer.</summary>
    /// <exception cref="IOException">The peer could not be dialled, or its answer is invalid.</exception>
    public async Task<DhtMessage> RequestAsync(DhtPeer peer, IReadOnlyList<DhtMessage> messages, CancellationToken cancellationToken)
    {
        await _requests.WaitAsync(cancellationToken);
        try
        {
            await ConnectAsync(peer, cancellationToken);
            DhtStream stream = _streams.GetOrAdd(peer.Peer, _ => new DhtStream(time));
            return await stream.RequestAsync(
                messages, stop => host.OpenStreamAsync(peer.Peer, [options.Protocol], stop), cancellationToken);
        }
        finally
        {
            _requests.Release();
        }
    }

    /// <summary>Connects to a peer by the first of its addresses that answers; returns at once when it is connected.</summary>
    /// <exception cref="ConnectException">No address answers.</exception>
    public async Task ConnectAsync(DhtPeer peer, CancellationToken cancellationToken)
    {
        if (IsConnected(peer.Peer))
        {
            return;
        }

        if (peer.Addresses.Count == 0)
        {
            throw new ConnectException($"no address is known for {peer.Peer}");
        }

        using var others = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var dials = new List<Task>();
        Exception? last = null;
        foreach (Multiaddr address in peer.Addresses)
        {
            dials.Add(host.ConnectAsync(address.WithPeer(peer.Peer), others.Token));
            Task pause = Task.Delay(Stagger, time, others.Token);
            Task first = await Task.WhenAny([.. dials, pause]);
            if (first != pause && await FinishDialAsync(dials, first) is var (connected, error))
            {
                last = error ?? last;
                if (connected)
                {
                    break;
                }
            }
        }

        while (dials.Count > 0 && !IsConnected(peer.Peer))
        {
            var (connected, error) = await FinishDialAsync(dials, await Task.WhenAny(dials));
            last = error ?? last;
            if (connected)
            {
                break;
            }
        }

        await others.CancelAsync();
        await Task.WhenAll(dials).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        cancellationToken.ThrowIfCancellationRequested();
        if (!IsConnected(peer.Peer))
        {
            throw new ConnectException(last?.Message ?? $"no address of {peer.Peer} answered", last);
        }
    }

    /// <summary>Closes the idle streams.</summary>
    public async Task SweepAsync()
    {
        foreach ((PeerId peer, DhtStream stream) in _streams)
        {
            if (stream.IsIdle && _streams.TryRemove(KeyValuePair.Create(peer, stream)))
            {
                await stream.DisposeAsync();
            }
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        foreach (DhtStream stream in _streams.Values)
        {
            await stream.DisposeAsync();
        }

        _streams.Clear();
    }

    private static async Task<(bool Connected, Exception? Error)> FinishDialAsync(List<Task> dials, Task done)
    {
        dials.Remove(done);
        try
        {
            await done;
            return (true, null);
        }
        catch (Exception e) when (e is IOException or OperationCanceledException)
        {
            return (false, e);
        }
    }

    private bool IsConnected(PeerId peer)
    {
        foreach (PeerInfo p in host.Peers)
        {
            if (p.Peer == peer)
            {
                return true;
            }
        }

        return false;
    }
}
