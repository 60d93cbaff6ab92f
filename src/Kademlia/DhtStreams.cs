using System.Collections.Concurrent;
using Ipcs.Kademlia.Wire;
using Ipcs.Libp2p;
using Ipcs.Multiformats;

namespace Ipcs.Kademlia;

/// <summary>
/// Asks peers, dialling them where needed. Owns a <see cref="DhtStream"/> per peer asked of late; bounded by what is asked at once.
/// </summary>
internal sealed class DhtStreams(IHost host, DhtOptions options, TimeProvider time) : IAsyncDisposable
{
    /// <summary>Requests of all lookups under way at once: each may be a dial.</summary>
    private const int MaxRequests = 64;

    /// <summary>How long one address of a peer may keep the next one waiting.</summary>
    private static readonly TimeSpan Stagger = TimeSpan.FromMilliseconds(500);

    private readonly ConcurrentDictionary<PeerId, DhtStream> _links = new();
    private readonly SemaphoreSlim _requests = new(MaxRequests);

    /// <summary>Asks one question.</summary>
    /// <exception cref="IOException">The peer can't be reached or does not answer as it should.</exception>
    public Task<DhtMessage> RequestAsync(DhtPeer peer, DhtMessage request, CancellationToken cancellationToken) => RequestAsync(peer, [request], cancellationToken);

    /// <summary>Sends messages without an answer and one last that has one.</summary>
    /// <exception cref="IOException">The peer can't be reached or does not answer as it should.</exception>
    public async Task<DhtMessage> RequestAsync(DhtPeer peer, IReadOnlyList<DhtMessage> messages, CancellationToken cancellationToken)
    {
        await _requests.WaitAsync(cancellationToken);
        try
        {
            await ConnectAsync(peer, cancellationToken);
            DhtStream link = _links.GetOrAdd(peer.Peer, _ => new DhtStream(time));
            return await link.RequestAsync(messages, stop => host.OpenStreamAsync(peer.Peer, [options.Protocol], stop), cancellationToken);
        }
        finally
        {
            _requests.Release();
        }
    }

    /// <summary>Connects to a peer by whichever of its addresses answers first; nothing to do when it is connected.</summary>
    /// <exception cref="ConnectException">None does.</exception>
    public async Task ConnectAsync(DhtPeer peer, CancellationToken cancellationToken)
    {
        if (IsConnected(peer.Peer))
        {
            return;
        }

        if (peer.Addresses.Count == 0)
        {
            throw new ConnectException($"no address of {peer.Peer} is known");
        }

        using var others = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var dials = new List<Task>();
        Exception? last = null;
        foreach (Multiaddr address in peer.Addresses)
        {
            dials.Add(host.ConnectAsync(address.WithPeer(peer.Peer), others.Token));
            Task pause = Task.Delay(Stagger, time, others.Token);
            Task first = await Task.WhenAny([.. dials, pause]);
            if (first != pause && await SettleAsync(dials, first) is var (connected, error))
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
            var (connected, error) = await SettleAsync(dials, await Task.WhenAny(dials));
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
            throw new ConnectException(last?.Message ?? $"{peer.Peer} can't be reached", last);
        }
    }

    /// <summary>Closes the streams that have been silent for too long.</summary>
    public async Task SweepAsync()
    {
        foreach ((PeerId peer, DhtStream link) in _links)
        {
            if (link.IsIdle && _links.TryRemove(KeyValuePair.Create(peer, link)))
            {
                await link.DisposeAsync();
            }
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        foreach (DhtStream link in _links.Values)
        {
            await link.DisposeAsync();
        }

        _links.Clear();
    }

    private static async Task<(bool Connected, Exception? Error)> SettleAsync(List<Task> dials, Task done)
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
