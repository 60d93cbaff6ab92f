using System.Buffers;
using System.Security.Cryptography;
using System.Text.Json.Nodes;
using Ipcs.Blockstore;
using Ipcs.Dag;
using Ipcs.Dag.Read;
using Ipcs.Fleet;
using Ipcs.Multiformats;
using IHost = Ipcs.Libp2p.IHost;

namespace Ipcs.ControlApi;

/// <summary><c>content …</c>: what containerd owns, and where in the fleet a digest is.</summary>
internal sealed class ContentsApi(IHost host, IStore store, ContentFetcher fetcher, RecentReads recentReads)
{
    /// <summary>The most that is compared of each content, in bytes.</summary>
    private const int MaxBegin = 1 << 20;

    public async Task ListAsync(ApiRequest request)
    {
        request.Context.Response.ContentType = "application/json";
        foreach (ContentRecord record in store.Contents.Enumerate())
        {
            if (record.Owned)
            {
                await request.LineAsync(Document(record));
            }
        }
    }

    public Task Info(ApiRequest request)
    {
        Digest digest = request.DigestArg(0);
        return store.Contents.Get(digest) is { } record
            ? request.JsonAsync(Document(record))
            : throw new ApiException($"{digest} is not here");
    }

    /// <summary>
    /// Which content somebody reads through the content socket just now, told by the hash of its first bytes: only when one alone begins so. What a program
    /// has on its standard input it can thus have in one stream.
    /// </summary>
    public async Task ReadingAsync(ApiRequest request)
    {
        string hash = request.Arg(0, "sha256 of the first bytes");
        long length = request.Number("length") is > 0 and <= MaxBegin and { } given ? given : throw ApiException.Bad($"option length takes 1 to {MaxBegin}");
        var found = new List<Digest>();
        foreach (Digest digest in recentReads.Latest)
        {
            if (store.Contents.Get(digest) is { Complete: true } record && record.Size > length && await BeginsAsync(record, (int)length, hash, request.Aborted))
            {
                found.Add(digest);
            }
        }

        await request.JsonAsync(found is [var only] ? new JsonObject { ["digest"] = only.ToString() } : throw new ApiException($"{found.Count} contents begin so"));
    }

    /// <summary>Which content could lately not be read through the content socket, and why: to whoever unpacks it containerd doesn't say.</summary>
    public Task FailedAsync(ApiRequest request) => request.JsonAsync(recentReads.LastFailure is { } failure
        ? new JsonObject { ["digest"] = failure.Digest.ToString(), ["error"] = failure.Error }
        : throw new ApiException("no read has failed lately"));

    public async Task ResolveAsync(ApiRequest request)
    {
        Digest digest = request.DigestArg(0);
        var providers = new JsonArray();
        if (store.Contents.Get(digest) is { } here)
        {
            providers.Add((JsonNode)Provider(host.LocalPeer, here));
        }

        foreach ((PeerId peer, ContentRecord record) in await fetcher.LocateAsync(digest, request.Aborted))
        {
            providers.Add((JsonNode)Provider(peer, record));
        }

        if (providers.Count == 0)
        {
            throw new ApiException($"{digest}: neither this node nor any of the {host.Peers.Count} connected peers has it");
        }

        await request.JsonAsync(new JsonObject { ["digest"] = digest.ToString(), ["providers"] = providers });
    }

    private async Task<bool> BeginsAsync(ContentRecord record, int length, string hash, CancellationToken cancellationToken)
    {
        byte[] begin = ArrayPool<byte>.Shared.Rent(length);
        try
        {
            await using DagReader reader = await DagReader.OpenAsync(record.Root, new LocalBlockSource(store.Blocks), 0, cancellationToken);
            for (int done = 0; done < length;)
            {
                int n = await reader.ReadAsync(done, begin.AsMemory(done, length - done), cancellationToken);
                done += n > 0 ? n : throw new DagFormatException($"{record.Digest} ends early");
            }

            return Convert.ToHexStringLower(SHA256.HashData(begin.AsSpan(0, length))) == hash;
        }
        catch (BlockNotFoundException)
        {
            // Deleted meanwhile.
            return false;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(begin);
        }
    }

    private static JsonObject Provider(PeerId peer, ContentRecord record)
    {
        JsonObject document = Document(record);
        document.Remove("digest");
        document.Insert(0, "peer", peer.ToString());
        return document;
    }

    private static JsonObject Document(ContentRecord record) => new()
    {
        ["digest"] = record.Digest.ToString(),
        ["size"] = record.Size,
        ["kind"] = record.Kind == ContentKind.Dag ? "dag" : "blob",
        ["root"] = record.Root.ToString(),
        ["complete"] = record.Complete,
    };
}
