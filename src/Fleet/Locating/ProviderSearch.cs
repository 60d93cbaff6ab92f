using System.Collections.Concurrent;
using Ipcs.Kademlia;
using Ipcs.Libp2p;
using Ipcs.Multiformats;
using Microsoft.Extensions.Logging;
using IHost = Ipcs.Libp2p.IHost;

namespace Ipcs.Fleet.Locating;

/// <summary>
/// Beyond the connected peers: asks the DHT who provides a digest or a root, and connects to them. They are then connected peers like the others, and
/// are asked as such.
/// </summary>
internal sealed partial class ProviderSearch(IHost host, IContentRouting? routing, TimeProvider time, ILogger logger, CancellationToken stopping)
{
    /// <summary>Providers connected to for one content: with more there is nothing to gain.</summary>
    private const int MaxProviders = 16;

    /// <summary>Searches at a time: a pull asks for some tens of digests at once, and each search asks tens of peers.</summary>
    private const int MaxSearches = 8;

    /// <summary>Contents remembered as searched for.</summary>
    private const int MaxRemembered = 4096;

    /// <summary>How soon the same is searched for again, while one who was found stays connected or nobody was found.</summary>
    private static readonly TimeSpan AgainTime = TimeSpan.FromSeconds(15);

    /// <summary>How long one search, with its dials, may take.</summary>
    private static readonly TimeSpan SearchTime = TimeSpan.FromSeconds(30);

    private readonly ConcurrentDictionary<Multihash, (long At, Task<IReadOnlyList<PeerId>?> Search)> _searches = new();
    private readonly SemaphoreSlim _slots = new(MaxSearches, MaxSearches);

    /// <summary>Searches, unless it has just been done; completes when those who were found have been dialled. Never throws.</summary>
    /// <returns>True when one who was found is connected.</returns>
    public async Task<bool> SearchAsync(Multihash content)
    {
        if (routing is null)
        {
            return false;
        }

        Task<IReadOnlyList<PeerId>?> search = _searches.TryGetValue(content, out var known) && Holds(known.At, known.Search) ? known.Search : Begin(routing, content);
        return await search is { Count: > 0 };
    }

    /// <summary>True while an answer is as good as a new one: of those who were found one is connected still. All may have gone, or no dial succeeded.</summary>
    private bool Holds(long at, Task<IReadOnlyList<PeerId>?> search)
    {
        if (time.GetElapsedTime(at) >= AgainTime)
        {
            return false;
        }

        return !search.IsCompleted || search.Result is not { } found || found.Any(IsConnected);
    }

    private Task<IReadOnlyList<PeerId>?> Begin(IContentRouting router, Multihash content)
    {
        if (_searches.Count >= MaxRemembered)
        {
            _searches.Clear();
        }

        Task<IReadOnlyList<PeerId>?> search = RunAsync(router, content);
        _searches[content] = (time.GetTimestamp(), search);
        return search;
    }

    /// <summary>Those who were found and are connected; null when nobody was found.</summary>
    private async Task<IReadOnlyList<PeerId>?> RunAsync(IContentRouting router, Multihash content)
    {
        try
        {
            using var limit = CancellationTokenSource.CreateLinkedTokenSource(stopping);
            limit.CancelAfter(SearchTime);
            await _slots.WaitAsync(limit.Token);
            try
            {
                var dials = new List<Task<PeerId?>>();
                await foreach (AddrInfo provider in router.FindProvidersAsync(content, limit.Token))
                {
                    dials.Add(ConnectAsync(provider, limit.Token));
                    if (dials.Count == MaxProviders)
                    {
                        break;
                    }
                }

                PeerId?[] connected = await Task.WhenAll(dials);
                return dials.Count == 0 ? null : [.. connected.OfType<PeerId>()];
            }
            finally
            {
                _slots.Release();
            }
        }
        catch (Exception e)
        {
            // Nobody found is what it comes to, whatever the reason.
            LogSearchFailed(content, e.Message);
            return null;
        }
    }

    /// <summary>The provider, once it is connected; null when no dial succeeds.</summary>
    private async Task<PeerId?> ConnectAsync(AddrInfo provider, CancellationToken cancellationToken)
    {
        if (IsConnected(provider.Peer))
        {
            return provider.Peer;
        }

        foreach (Multiaddr address in provider.Addresses)
        {
            try
            {
                await host.ConnectAsync(address.WithPeer(provider.Peer), cancellationToken);
                return provider.Peer;
            }
            catch (ConnectException)
            {
                // It may be reached at another of its addresses.
            }
        }

        return null;
    }

    private bool IsConnected(PeerId peer) => host.Peers.Any(p => p.Peer == peer);

    [LoggerMessage(Level = LogLevel.Debug, Message = "the search for providers of {Content} ended: {Reason}")]
    private partial void LogSearchFailed(Multihash content, string reason);
}
