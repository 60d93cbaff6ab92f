using System.Text.Json.Nodes;
using Ipcs.Blockstore;
using Ipcs.Dag.Read;
using Ipcs.Fleet;
using Ipcs.Libp2p;
using Ipcs.Multiformats;

namespace Ipcs.ControlApi;

/// <summary><c>pin add</c>, <c>rm</c> and <c>ls</c>.</summary>
internal sealed class PinsApi(IStore store, ContentFetcher fetcher, TimeProvider time)
{
    /// <summary>How long a DAG may be fetched without a block arriving.</summary>
    private static readonly TimeSpan SearchTimeout = TimeSpan.FromSeconds(60);

    /// <summary>The most arguments of one request.</summary>
    private const int MaxArguments = 1024;

    /// <summary>The longest name in bytes of UTF-8, as in Kubo.</summary>
    private const int MaxName = 255;

    /// <summary>The most pins in one JSON document, which is built in memory.</summary>
    private const int MaxListed = 1 << 18;

    /// <summary>Fetches the blocks that are not in the store, and pins the DAGs.</summary>
    public async Task AddAsync(ApiRequest request)
    {
        Cid[] roots = Arguments(request, required: true);
        bool recursive = request.Flag("recursive", true);
        bool progress = request.Flag("progress");
        string name = request.Option("name") ?? "";
        if (System.Text.Encoding.UTF8.GetByteCount(name) > MaxName)
        {
            throw ApiException.Bad($"option name: it is longer than {MaxName} bytes");
        }

        var pins = new JsonArray();
        foreach (Cid root in roots)
        {
            if (!recursive && store.Pins.Get(root) is { Recursive: true })
            {
                throw new ApiException($"{root} already pinned recursively");
            }

            using GcLease gcLease = store.LeaseDag(root);
            await FetchAsync(root, recursive, progress, request);
            store.Pins.Put(new PinRecord(root, recursive, name));
            pins.Add((JsonNode)root.ToString());
        }

        await request.LineAsync(new JsonObject { ["Pins"] = pins });
    }

    /// <summary>Removes all of the pins, or none when one of them can't be removed.</summary>
    public Task Remove(ApiRequest request)
    {
        Cid[] roots = Arguments(request, required: true);
        bool recursive = request.Flag("recursive", true);
        foreach (Cid root in roots)
        {
            PinRecord pin = store.Pins.Get(root) ?? throw new ApiException($"{root} is not pinned or pinned indirectly");
            if (pin.Recursive && !recursive)
            {
                throw new ApiException($"{root} is pinned recursively");
            }
        }

        Array.ForEach(roots, root => store.Pins.Delete(root));
        return request.JsonAsync(new JsonObject { ["Pins"] = new JsonArray([.. roots.Select(root => (JsonNode)root.ToString())]) });
    }

    /// <summary>
    /// Lists the pins of one or all types, or how the arguments are pinned: <c>{"Keys":{CID:{"Type":…,"Name":…}}}</c>, or with the option
    /// <c>stream</c> a line <c>{"Cid":…,"Type":…,"Name":…}</c> for each.
    /// </summary>
    public async Task ListAsync(ApiRequest request)
    {
        string type = request.Option("type") ?? "all";
        if (type is not ("all" or "direct" or "indirect" or "recursive"))
        {
            throw ApiException.Bad($"option type: '{type}' is not all, direct, indirect or recursive");
        }

        Cid[] cids = Arguments(request, required: false);
        IEnumerable<(Cid Cid, string Type, string Name)> found = cids.Length == 0
            ? All(type, request.Aborted)
            : cids.Select(cid => Find(cid, type, request.Aborted));
        if (request.Flag("stream"))
        {
            request.Context.Response.ContentType = "application/json";
            foreach ((Cid cid, string kind, string name) in found)
            {
                await request.LineAsync(new JsonObject { ["Cid"] = cid.ToString(), ["Type"] = kind, ["Name"] = name });
            }

            return;
        }

        var keys = new JsonObject();
        foreach ((Cid cid, string kind, string name) in found)
        {
            if (keys.Count == MaxListed)
            {
                throw new ApiException($"there are more than {MaxListed} pins: ask with stream=true");
            }

            keys[cid.ToString()] = new JsonObject { ["Type"] = kind, ["Name"] = name };
        }

        await request.JsonAsync(new JsonObject { ["Keys"] = keys });
    }

    private static Cid[] Arguments(ApiRequest request, bool required)
    {
        int count = request.Context.Request.Query["arg"].Count;
        if (count > MaxArguments)
        {
            throw ApiException.Bad($"{count} arguments are more than {MaxArguments}");
        }

        return [.. Enumerable.Range(0, required ? Math.Max(count, 1) : count).Select(request.CidArg)];
    }

    private async Task FetchAsync(Cid root, bool recursive, bool progress, ApiRequest request)
    {
        using var deadline = new Deadline(time, SearchTimeout, request.Aborted);
        long blocks = 0;
        Task? progressLine = null;
        try
        {
            if (recursive)
            {
                await fetcher.FetchDagAsync(root, OnBlock, deadline.Token);
            }
            else
            {
                await using BitswapSource source = fetcher.AnySource();
                source.Root = root;
                (await source.GetAsync(root, deadline.Token)).Dispose();
            }
        }
        catch (OperationCanceledException) when (!request.Aborted.IsCancellationRequested)
        {
            string fetched = $"{root} is incomplete after {blocks} blocks";
            throw new ApiException($"{fetched}: no peer sent another one within {SearchTimeout.TotalSeconds} s");
        }
        finally
        {
            if (progressLine is not null)
            {
                await progressLine;
            }
        }

        void OnBlock()
        {
            const int Step = 1000;
            deadline.CancelAfter(SearchTimeout);
            if (++blocks % Step == 0 && progress && progressLine is not { IsCompleted: false })
            {
                progressLine = request.LineAsync(new JsonObject { ["Progress"] = blocks });
            }
        }
    }

    private IEnumerable<(Cid Cid, string Type, string Name)> All(string type, CancellationToken cancellationToken)
    {
        PinRecord[] pins = [.. store.Pins.Enumerate()];
        foreach (PinRecord pin in pins.Where(pin => type is "all" || type == TypeOf(pin)))
        {
            yield return (pin.Root, TypeOf(pin), pin.Name);
        }

        if (type is not ("all" or "indirect"))
        {
            yield break;
        }

        // Each block below the root of a recursive pin once, but not the roots of recursive pins.
        var listed = new BlockSet();
        foreach (PinRecord pin in pins.Where(pin => pin.Recursive || type is "all"))
        {
            listed.Add(pin.Root.Hash);
        }

        foreach (PinRecord pin in pins.Where(pin => pin.Recursive))
        {
            foreach (Cid cid in DagVerify.Reachable(store.Blocks, pin.Root, cancellationToken))
            {
                if (listed.Add(cid.Hash))
                {
                    yield return (cid, "indirect", "");
                }
            }
        }
    }

    private (Cid Cid, string Type, string Name) Find(Cid cid, string type, CancellationToken cancellationToken)
    {
        if (store.Pins.Get(cid) is { } own && (type is "all" || type == TypeOf(own)))
        {
            return (cid, TypeOf(own), own.Name);
        }

        if (type is "all" or "indirect")
        {
            foreach (PinRecord pin in store.Pins.Enumerate().Where(pin => pin.Recursive))
            {
                if (DagVerify.Reachable(store.Blocks, pin.Root, cancellationToken).Skip(1).Any(below => below.Hash == cid.Hash))
                {
                    return (cid, $"indirect through {pin.Root}", "");
                }
            }
        }

        throw new ApiException($"path '{cid}' is not pinned");
    }

    private static string TypeOf(PinRecord pin) => pin.Recursive ? "recursive" : "direct";
}
