using Ipcs.Kademlia;
using Ipcs.Libp2p;
using Ipcs.Multiformats;
using Microsoft.Extensions.Logging;
using IHost = Ipcs.Libp2p.IHost;

namespace Ipcs.Fleet.Locating;

/// <summary>
/// Asks the DHT which peers provide a digest or a root, and connects to them; as connected peers they are then asked like the others. Owns
/// its searches. Thread-safe.
/// </summary>
internal sealed partial class ProviderSearch(IHost host, IContentRouting? routing, TimeProvider time, ILogger logger) : IAsyncDisposable
{
    /// <summary>Providers dialled per content: more of them make a fetch no faster.</summary>
    private const int MaxProviders = 16;

    /// <summary>Searches at a time: a pull asks for some tens of digests at once, and each search asks tens of peers.</summary>
    private const int MaxSearches = 8;

    /// <summary>The maximum number of remembered searches. Over that the oldest is removed.</summary>
    private const int MaxRemembered = 4096;

    /// <summary>How long the result of a search is used, while a provider that it found stays connected or it found none.</summary>
    private static readonly TimeSpan AgainTime = TimeSpan.FromSeconds(15);

    /// <summary>How long one search may take, including its dials.</summary>
    private static readonly TimeSpan SearchTime = TimeSpan.FromSeconds(30);

    private readonly Lock _lock = new();
    private readonly OrderedDictionary<Multihash, (long At, Task<IReadOnlyList<PeerId>?> Search)> _searches = [];
    private readonly SemaphoreSlim _slots = new(MaxSearches, MaxSearches);
    private readonly CancellationTokenSource _stopping = new();
    private readonly TaskTracker _background = new();

    /// <summary>
    /// Searches, unless a recent result can be used. Completes when the providers found have been dialled. Never throws.
    /// </summary>
    /// <returns>True when a provider is connected.</returns>
    public async Task<bool> SearchAsync(Multihash content) => routing is not null && await SearchOf(routing, content) is { Count: > 0 };

    /// <summary>Starts a search without waiting for its result.</summary>
    public void Start(Multihash content)
    {
        if (routing is not null)
        {
            _ = SearchOf(routing, content);
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        await _background.WhenAllAsync();
    }

    private Task<IReadOnlyList<PeerId>?> SearchOf(IContentRouting router, Multihash content)
    {
        lock (_lock)
        {
            if (_searches.TryGetValue(content, out (long At, Task<IReadOnlyList<PeerId>?> Search) known)
                && IsUsable(known.At, known.Search))
            {
                return known.Search;
            }

            _searches.Remove(content);
            if (_searches.Count == MaxRemembered)
            {
                _searches.RemoveAt(0);
            }

            Task<IReadOnlyList<PeerId>?> search = Task.Run(() => RunAsync(router, content));
            _searches.Add(content, (time.GetTimestamp(), search));
            _background.Add(search);
            return search;
        }
    }

    /// <summary>True while a recent search is under way, has found no provider, or a provider that it found is connected.</summary>
    private bool IsUsable(long at, Task<IReadOnlyList<PeerId>?> search)
    {
        if (time.GetElapsedTime(at) >= AgainTime)
        {
            return false;
        }

        return !search.IsCompleted || search.Result is not { } found || found.Any(IsConnected);
    }

    /// <summary>Returns the providers that are connected; null when none was found.</summary>
    private async Task<IReadOnlyList<PeerId>?> RunAsync(IContentRouting router, Multihash content)
    {
        try
        {
            using var limit = new Deadline(time, SearchTime, _stopping.Token);
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
            // A failed search has found no provider, whatever the reason.
            LogSearchFailed(content, e.Message);
            return null;
        }
    }

    /// <summary>Connects to a provider and returns it; null when no dial succeeds.</summary>
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
                // The next address may work.
            }
        }

        return null;
    }

    private bool IsConnected(PeerId peer) => host.Peers.Any(p => p.Peer == peer);

    [LoggerMessage(Level = LogLevel.Debug, Message = "the search for providers of {Content} ended: {Reason}")]
    private partial void LogSearchFailed(Multihash content, string reason);
}
