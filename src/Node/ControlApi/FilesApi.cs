using System.Buffers;
using System.Text.Json.Nodes;
using Ipcs.Blockstore;
using Ipcs.Dag;
using Ipcs.Dag.Chunking;
using Ipcs.Dag.Import;
using Ipcs.Dag.Read;
using Ipcs.Multiformats;
using Ipcs.Node.Daemon;
using Ipcs.Node.Fleet;
using Microsoft.AspNetCore.WebUtilities;
using Microsoft.Net.Http.Headers;

namespace Ipcs.Node.ControlApi;

/// <summary><c>add</c>, <c>cat</c> and <c>block …</c>.</summary>
internal sealed class FilesApi(NodeServices node)
{
    /// <summary>How long a block or a file may be looked for without any of it coming.</summary>
    private static readonly TimeSpan FindTime = TimeSpan.FromSeconds(60);

    /// <summary>Leaves asked for ahead of the client.</summary>
    private const int ReadAhead = 32;

    public async Task AddAsync(ApiRequest request)
    {
        long version = request.Number("cid-version") ?? 0;
        if (version is not (0 or 1))
        {
            throw ApiException.Bad($"option cid-version: {version} is not 0 or 1");
        }

        // Kubo's rule: version 1 has raw leaves unless said otherwise.
        bool rawLeaves = request.Flag("raw-leaves", version == 1);
        if (!ChunkerSpec.TryParse(request.Option("chunker") ?? ChunkerSpec.Default.Text, out ChunkerSpec? chunker, out string? problem))
        {
            throw ApiException.Bad($"option chunker: {problem}");
        }

        var profile = new ImportProfile { Name = "", CidVersion = (int)version, RawLeaves = rawLeaves, Chunker = chunker };
        bool pin = request.Flag("pin", true);
        MultipartReader parts = Multipart(request);
        bool any = false;
        while (await parts.ReadNextSectionAsync(request.Aborted) is { } part)
        {
            any = true;
            string name = ContentDispositionHeaderValue.TryParse(part.ContentDisposition, out ContentDispositionHeaderValue? disposition)
                ? Uri.UnescapeDataString(HeaderUtilities.RemoveQuotes(disposition.FileName).ToString())
                : "";
            using Hold hold = node.Store.Hold();
            DagRoot root = await DagImport.FromStreamAsync(part.Body, node.Store.Blocks, profile, alsoHash: null, request.Aborted);
            if (pin)
            {
                node.Store.Pins.Put(new PinRecord(root.Root, Recursive: true, name));
            }

            await request.LineAsync(new JsonObject
            {
                ["Name"] = name.Length > 0 ? name : root.Root.ToString(),
                ["Hash"] = root.Root.ToString(),
                ["Size"] = root.DagSize.ToString(System.Globalization.CultureInfo.InvariantCulture),
            });
        }

        if (!any)
        {
            throw ApiException.Bad("the request has no file");
        }
    }

    public async Task CatAsync(ApiRequest request)
    {
        string arg = request.Arg(0, "cid");
        ContentRecord? content = null;
        Cid root;
        if (Digest.TryParse(arg, out Digest digest))
        {
            content = node.Store.Contents.Get(digest) ?? throw new ApiException($"{digest} is not here");
            root = content.Root;
        }
        else
        {
            root = request.CidArg(0);
        }

        if (content is { Complete: false, Kind: ContentKind.Blob })
        {
            await node.Fleet.WaitAsync(digest, request.Aborted);
        }

        await using BitswapSource source = node.Fleet.AnySource();
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(request.Aborted);
        limit.CancelAfter(FindTime);
        await using DagReader reader = await OpenAsync(root, source, limit.Token, request.Aborted);
        long offset = request.Number("offset") ?? 0;
        if (offset > reader.Length)
        {
            throw ApiException.Bad($"option offset: {offset} is past the end, {reader.Length}");
        }

        long left = Math.Min(request.Number("length") ?? long.MaxValue, reader.Length - offset);
        request.Context.Response.ContentType = "application/octet-stream";
        request.Context.Response.ContentLength = left;
        byte[] buffer = ArrayPool<byte>.Shared.Rent(1 << 18);
        try
        {
            while (left > 0)
            {
                int n = await reader.ReadAsync(offset, buffer.AsMemory(0, (int)Math.Min(buffer.Length, left)), request.Aborted);
                if (n == 0)
                {
                    throw new DagFormatException($"{root} ends {left} bytes early");
                }

                await request.Context.Response.Body.WriteAsync(buffer.AsMemory(0, n), request.Aborted);
                offset += n;
                left -= n;
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    public async Task BlockGetAsync(ApiRequest request)
    {
        Cid cid = request.CidArg(0);
        await using BitswapSource source = node.Fleet.AnySource();
        using IMemoryOwner<byte> block = await GetAsync(source, cid, request.Aborted);
        request.Context.Response.ContentType = "application/octet-stream";
        request.Context.Response.ContentLength = block.Memory.Length;
        await request.Context.Response.Body.WriteAsync(block.Memory, request.Aborted);
    }

    public async Task BlockPutAsync(ApiRequest request)
    {
        MultipartReader parts = Multipart(request);
        if (await parts.ReadNextSectionAsync(request.Aborted) is not { } part)
        {
            throw ApiException.Bad("the request has no block");
        }

        uint codec = request.Option("cid-codec") switch
        {
            null or "raw" => Multicodec.Raw,
            "dag-pb" => Multicodec.DagPb,
            var other => throw ApiException.Bad($"option cid-codec: '{other}' is not raw or dag-pb"),
        };
        byte[] block = await ReadBlockAsync(part.Body, request.Aborted);
        Cid cid = Cid.V1(codec, Multihash.Sha256(block));
        node.Store.Blocks.Put(cid.Hash, block);
        await request.JsonAsync(new JsonObject { ["Key"] = cid.ToString(), ["Size"] = block.Length });
    }

    public async Task BlockStatAsync(ApiRequest request)
    {
        Cid cid = request.CidArg(0);
        if (!node.Store.Blocks.TryGetLength(cid.Hash, out int length))
        {
            await using BitswapSource source = node.Fleet.AnySource();
            using IMemoryOwner<byte> block = await GetAsync(source, cid, request.Aborted);
            length = block.Memory.Length;
        }

        await request.JsonAsync(new JsonObject { ["Key"] = cid.ToString(), ["Size"] = length });
    }

    private static async Task<IMemoryOwner<byte>> GetAsync(BitswapSource source, Cid cid, CancellationToken aborted)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(aborted);
        limit.CancelAfter(FindTime);
        try
        {
            return await source.GetAsync(cid, limit.Token);
        }
        catch (OperationCanceledException) when (!aborted.IsCancellationRequested)
        {
            throw new ApiException($"block {cid} not found within {FindTime.TotalSeconds} s");
        }
    }

    private static async Task<DagReader> OpenAsync(Cid root, IBlockSource source, CancellationToken limited, CancellationToken aborted)
    {
        try
        {
            return await DagReader.OpenAsync(root, source, ReadAhead, limited);
        }
        catch (OperationCanceledException) when (!aborted.IsCancellationRequested)
        {
            throw new ApiException($"{root} not found within {FindTime.TotalSeconds} s");
        }
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

    private static MultipartReader Multipart(ApiRequest request)
    {
        string? boundary = MediaTypeHeaderValue.TryParse(request.Context.Request.ContentType, out MediaTypeHeaderValue? type)
            ? HeaderUtilities.RemoveQuotes(type.Boundary).ToString()
            : null;
        return string.IsNullOrEmpty(boundary)
            ? throw ApiException.Bad("the request's body is not multipart/form-data")
            : new MultipartReader(boundary, request.Body, 1 << 16) { BodyLengthLimit = null };
    }
}
