using System.Collections.Concurrent;
using Ipcs.Kademlia;
using Ipcs.Libp2p;
using Ipcs.Multiformats;
using IHost = Ipcs.Libp2p.IHost;

namespace Ipcs.Node.Fleet;

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

    /// <summary>How soon the same is searched for again.</summary>
    private static readonly TimeSpan AgainTime = TimeSpan.FromSeconds(15);

    /// <summary>How long one search, with its dials, may take.</summary>
    private static readonly TimeSpan SearchTime = TimeSpan.FromSeconds(30);

    private readonly ConcurrentDictionary<Multihash, (long At, Task<bool> Search)> _searches = new();
    private readonly SemaphoreSlim _slots = new(MaxSearches, MaxSearches);

    /// <summary>Searches, unless it has just been done; completes when those who were found have been dialled. Never throws.</summary>
    /// <returns>True when one who was found is connected.</returns>
    public Task<bool> SearchAsync(Multihash content)
    {
        if (routing is null)
        {
            return Task.FromResult(false);
        }

        if (_searches.TryGetValue(content, out (long At, Task<bool> Search) known) && time.GetElapsedTime(known.At) < AgainTime)
        {
            return known.Search;
        }

        if (_searches.Count >= MaxRemembered)
        {
            _searches.Clear();
        }

        Task<bool> search = RunAsync(routing, content);
        _searches[content] = (time.GetTimestamp(), search);
        return search;
    }

    private async Task<bool> RunAsync(IContentRouting router, Multihash content)
    {
        try
        {
            using var limit = CancellationTokenSource.CreateLinkedTokenSource(stopping);
            limit.CancelAfter(SearchTime);
            await _slots.WaitAsync(limit.Token);
            try
            {
                var dials = new List<Task<bool>>();
                await foreach (ProviderRecord provider in router.FindProvidersAsync(content, limit.Token))
                {
                    dials.Add(ConnectAsync(provider, limit.Token));
                    if (dials.Count == MaxProviders)
                    {
                        break;
                    }
                }

                return (await Task.WhenAll(dials)).Contains(true);
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
            return false;
        }
    }

    private async Task<bool> ConnectAsync(ProviderRecord provider, CancellationToken cancellationToken)
    {
        if (host.Peers.Any(p => p.Peer == provider.Peer))
        {
            return true;
        }

        foreach (Multiaddr address in provider.Addresses)
        {
            try
            {
                await host.ConnectAsync(address.WithPeer(provider.Peer), cancellationToken);
                return true;
            }
            catch (ConnectException)
            {
                // It may be reached at another of its addresses.
            }
        }

        return false;
    }

    [LoggerMessage(Level = LogLevel.Debug, Message = "the search for providers of {Content} ended: {Reason}")]
    private partial void LogSearchFailed(Multihash content, string reason);
}
