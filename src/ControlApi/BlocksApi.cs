using System.Buffers;
using System.Text.Json.Nodes;
using Ipcs.Blockstore;
using Ipcs.Dag.Read;
using Ipcs.Multiformats;
using Microsoft.AspNetCore.WebUtilities;

namespace Ipcs.ControlApi;

/// <summary><c>block get</c>, <c>put</c>, <c>stat</c> and <c>rm</c>.</summary>
internal sealed class BlocksApi(IStore store, RequestBlockSources sources)
{
    public async Task GetAsync(ApiRequest request)
    {
        Cid cid = request.CidArg(0);
        await using var blocks = sources.Open(request);
        using IMemoryOwner<byte> block = await blocks.GetAsync(cid, request.Aborted);
        await request.BytesAsync(
            "application/octet-stream", block.Memory.Length, async body => await body.WriteAsync(block.Memory, request.Aborted));
    }

    public async Task PutAsync(ApiRequest request)
    {
        Func<Multihash, Cid> toCid = CidFormat(request);
        uint function = request.Option("mhtype") switch
        {
            null or "sha2-256" => Multihash.Sha2_256,
            "sha2-384" => Multihash.Sha2_384,
            "sha2-512" => Multihash.Sha2_512,
            var other => throw ApiException.Bad($"option mhtype: '{other}' is not sha2-256, sha2-384 or sha2-512"),
        };
        bool pin = request.Flag("pin");
        MultipartReader parts = Multipart.Open(request);
        using GcLease gcLease = store.LeaseTouched();
        bool any = false;
        while (await Multipart.NextAsync(parts, request.Aborted) is { } part)
        {
            byte[] block = await ReadBlockAsync(part.Body, request.Aborted);
            Multihash.TryCompute(function, block, out Multihash hash);
            Cid cid = toCid(hash);
            store.Blocks.Put(hash, block);
            if (pin)
            {
                store.Pins.Put(new PinRecord(cid, Recursive: true, ""));
            }

            any = true;
            await request.LineAsync(new JsonObject { ["Key"] = cid.ToString(), ["Size"] = block.Length });
        }

        if (!any)
        {
            throw ApiException.Bad("the request has no block");
        }
    }

    public async Task StatAsync(ApiRequest request)
    {
        Cid cid = request.CidArg(0);
        if (!store.Blocks.TryGetLength(cid.Hash, out int length))
        {
            await using var blocks = sources.Open(request);
            using IMemoryOwner<byte> block = await blocks.GetAsync(cid, request.Aborted);
            length = block.Memory.Length;
        }

        await request.JsonAsync(new JsonObject { ["Key"] = cid.ToString(), ["Size"] = length });
    }

    /// <summary>
    /// Removes blocks. Sends a line <c>{"Hash":…}</c> for each removed block, and one with <c>Error</c> for each that was not removed.
    /// </summary>
    public async Task RemoveAsync(ApiRequest request)
    {
        bool force = request.Flag("force");
        bool quiet = request.Flag("quiet");
        Cid[] cids = [.. Enumerable.Range(0, Math.Max(1, request.Args())).Select(request.CidArg)];
        request.Lines();
        foreach (Cid cid in cids)
        {
            string? problem = store.Blocks.Has(cid.Hash) ? FindReferrer(cid, request.Aborted)
                : force ? null
                : $"block {cid} is not here";
            if (problem is null)
            {
                store.Blocks.Delete(cid.Hash);
            }

            if (problem is not null || !quiet)
            {
                var line = new JsonObject { ["Hash"] = cid.ToString() };
                if (problem is not null)
                {
                    line["Error"] = problem;
                }

                await request.LineAsync(line);
            }
        }
    }

    private static Func<Multihash, Cid> CidFormat(ApiRequest request)
    {
        // The older option for the codec, which Kubo's clients still send.
        string? format = request.Option("format");
        if (format is not (null or "" or "v0" or "raw" or "protobuf" or "dag-pb"))
        {
            throw ApiException.Bad($"option format: '{format}' is not v0, raw or protobuf");
        }

        return (request.Option("cid-codec"), format) switch
        {
            (null, "v0") => hash => hash.Code == Multihash.Sha2_256
                ? Cid.V0(hash)
                : throw ApiException.Bad("option format: v0 takes a sha2-256 hash"),
            (null, "protobuf" or "dag-pb") or ("dag-pb", _) => hash => Cid.V1(Multicodec.DagPb, hash),
            (null or "" or "raw", _) => hash => Cid.V1(Multicodec.Raw, hash),
            (var codec, _) => throw ApiException.Bad($"option cid-codec: '{codec}' is not raw or dag-pb"),
        };
    }

    /// <summary>Says which pin or content reaches a block; null when none does.</summary>
    private string? FindReferrer(Cid cid, CancellationToken cancellationToken)
    {
        foreach (PinRecord pin in store.Pins.Enumerate())
        {
            if (pin.Recursive ? Reaches(pin.Root) : pin.Root.Hash == cid.Hash)
            {
                return $"block {cid} is pinned by {pin.Root}";
            }
        }

        foreach (ContentRecord content in store.Contents.Enumerate())
        {
            if (content.Owned && Reaches(content.Root))
            {
                return $"block {cid} belongs to the content {content.Digest}";
            }
        }

        return null;

        bool Reaches(Cid root) => DagVerify.Reachable(store.Blocks, root, cancellationToken).Any(below => below.Hash == cid.Hash);
    }

    private static async Task<byte[]> ReadBlockAsync(Stream body, CancellationToken cancellationToken)
    {
        using var block = new MemoryStream();
        byte[] buffer = new byte[1 << 16];
        for (int n; (n = await body.ReadAsync(buffer, cancellationToken)) > 0;)
        {
            if (block.Length + n > IBlockstore.MaxBlockLength)
            {
                throw ApiException.Bad($"the block is longer than {IBlockstore.MaxBlockLength} bytes");
            }

            block.Write(buffer, 0, n);
        }

        return block.ToArray();
    }
}
