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

/// <summary><c>content ls</c>, <c>info</c> and <c>resolve</c>, and what <c>ipcs containerd layer</c> asks the daemon.</summary>
internal sealed class ContentsApi(IHost host, IStore store, ContentFetcher fetcher, RecentReads recentReads)
{
    /// <summary>The longest prefix that is compared, in bytes.</summary>
    private const int MaxPrefix = 1 << 20;

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
    /// Finds which of the contents that were lately read through the content socket starts with bytes of this hash; an error unless exactly
    /// one does. The stream processor that gets a layer on its standard input thus learns the digest, and reads the layer from the daemon
    /// in one stream.
    /// </summary>
    public async Task FindByPrefixAsync(ApiRequest request)
    {
        string hash = request.Arg(0, "sha256 of the first bytes");
        long length = request.Number("length") is > 0 and <= MaxPrefix and { } given
            ? given
            : throw ApiException.Bad($"option length takes 1 to {MaxPrefix}");
        var found = new List<Digest>();
        foreach (Digest digest in recentReads.Latest)
        {
            if (store.Contents.Get(digest) is { Complete: true } record
                && record.Size > length
                && await HasPrefixAsync(record, (int)length, hash, request.Aborted))
            {
                found.Add(digest);
            }
        }

        await request.JsonAsync(found is [var only]
            ? new JsonObject { ["digest"] = only.ToString() }
            : throw new ApiException($"{found.Count} contents start with these bytes"));
    }

    /// <summary>
    /// The last content that could not be read through the content socket, and why. containerd does not pass the reason on to a stream
    /// processor.
    /// </summary>
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

    private async Task<bool> HasPrefixAsync(ContentRecord record, int length, string hash, CancellationToken cancellationToken)
    {
        byte[] prefix = ArrayPool<byte>.Shared.Rent(length);
        try
        {
            await using DagReader reader = await DagReader.OpenAsync(record.Root, new LocalBlockSource(store.Blocks), 0, cancellationToken);
            for (int done = 0; done < length;)
            {
                int n = await reader.ReadAsync(done, prefix.AsMemory(done, length - done), cancellationToken);
                done += n > 0 ? n : throw new DagFormatException($"{record.Digest} ends early");
            }

            return Convert.ToHexStringLower(SHA256.HashData(prefix.AsSpan(0, length))) == hash;
        }
        catch (BlockNotFoundException)
        {
            // Deleted since its record was read.
            return false;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(prefix);
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
