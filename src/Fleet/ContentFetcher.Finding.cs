using Ipcs.Bitswap;
using Ipcs.Bitswap.Client;
using Ipcs.Blockstore;
using Ipcs.Multiformats;

namespace Ipcs.Fleet;

/// <summary>Finds which peers have a digest, and fetches ahead what containerd will ask for.</summary>
public sealed partial class ContentFetcher
{
    /// <summary>The maximum number of digests fetched ahead in one call: no image names more.</summary>
    private const int MaxLookAhead = 1024;

    /// <summary>How long providers from the DHT have to send a root block that no other peer has.</summary>
    private static readonly TimeSpan RootTime = TimeSpan.FromSeconds(2);

    /// <summary>The connected peers that have a digest, each with its record. Providers from the DHT are connected to first.</summary>
    public async Task<IReadOnlyList<(PeerId Peer, ContentRecord Record)>> LocateAsync(Digest digest, CancellationToken cancellationToken)
    {
        await _search.SearchAsync(digest.Hash).WaitAsync(cancellationToken);
        return await _locator.LocateAsync(digest, cancellationToken);
    }

    /// <summary>
    /// Finds a content in the store, at the connected peers, or at the providers from the DHT, which are connected to first. When the
    /// digest is a root's, no peer needs to have the content completely: the root block gives its size, and is stored when this returns.
    /// </summary>
    public async Task<ContentRecord?> SearchAsync(Digest digest, CancellationToken cancellationToken)
    {
        if (await _local.FindAsync(digest, cancellationToken) is { } known)
        {
            return known with { Owned = false };
        }

        using var over = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        Task<ContentRecord?> whole = DecideAsync(digest);
        _background.Add(whole);
        Task<ContentRecord?> root = FindRootAsync(digest, over.Token);
        try
        {
            if (await Task.WhenAny(whole.WaitAsync(cancellationToken), root) == root)
            {
                return await root ?? await whole.WaitAsync(cancellationToken);
            }

            using var limit = new CancellationTokenSource(RootTime, _time);
            using CancellationTokenRegistration end = limit.Token.Register(over.Cancel);
            return await whole.WaitAsync(cancellationToken) ?? await root;
        }
        finally
        {
            await over.CancelAsync();
            await root;
        }
    }

    /// <summary>
    /// Fetches contents that containerd will ask for soon, as far as the fleet has them: mostly they are here before it asks. The peers are
    /// asked for all of them in one question.
    /// </summary>
    public void LookAhead(IReadOnlyList<Digest> digests)
    {
        Digest[] missing = [.. digests.Distinct().Take(MaxLookAhead).Where(d => _store.Contents.Get(d) is not { Complete: true })];
        if (missing.Length == 0 || _stopping.IsCancellationRequested)
        {
            return;
        }

        _locator.Ask(missing);
        foreach (Digest digest in missing)
        {
            if (FetchesUnderWay < MaxFetches)
            {
                FetchOf(digest, patient: false);
            }
        }
    }

    /// <summary>Returns the answer of the connected peers, or when it is negative, of the providers from the DHT.</summary>
    private async Task<ContentRecord?> DecideAsync(Digest digest)
    {
        await _locator.Ask(digest).Decided;
        if (_locator.Best(digest) is { } found)
        {
            return found;
        }

        if (!await _search.SearchAsync(digest.Hash))
        {
            return null;
        }

        await _locator.AskAgainAsync([digest]);
        return _locator.Best(digest);
    }

    /// <summary>The record that a digest's own block gives, fetched by Bitswap from any peer; null when none sends it in time.</summary>
    private async Task<ContentRecord?> FindRootAsync(Digest digest, CancellationToken over)
    {
        if (digest.Hash.Code != Multihash.Sha2_256)
        {
            return null;
        }

        await using BitswapSession session = _bitswap.CreateSession([]);
        try
        {
            (await session.GetAsync(Cid.V0(digest.Hash), urgent: true, over)).Dispose();
            return _local.Peek(digest);
        }
        catch (Exception e) when (e is BlockUnavailableException or OperationCanceledException)
        {
            return null;
        }
    }
}
