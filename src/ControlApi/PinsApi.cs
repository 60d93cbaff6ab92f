using System.Text.Json.Nodes;
using Ipcs.Blockstore;
using Ipcs.Dag.Read;
using Ipcs.Fleet;
using Ipcs.Multiformats;

namespace Ipcs.ControlApi;

/// <summary><c>pin …</c>: what is kept because a person asked for it.</summary>
internal sealed class PinsApi(IStore store, ContentFetcher fetcher)
{
    /// <summary>How long content that is not here may be looked for without any of it coming.</summary>
    private static readonly TimeSpan FindTime = TimeSpan.FromSeconds(60);

    /// <summary>Blocks asked for at a time.</summary>
    private const int Parallelism = 32;

    /// <summary>The most arguments: more belongs in several requests.</summary>
    private const int MaxArguments = 1024;

    /// <summary>The longest name, in bytes of UTF-8, as Kubo.</summary>
    private const int MaxName = 255;

    /// <summary>The most pins in a document that is built in memory.</summary>
    private const int MaxListed = 1 << 18;

    /// <summary>Brings here what is not, and pins it.</summary>
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

            using GcLease kept = store.LeaseDag(root);
            await FetchAsync(root, recursive, progress, request);
            store.Pins.Put(new PinRecord(root, recursive, name));
            pins.Add((JsonNode)root.ToString());
        }

        await request.LineAsync(new JsonObject { ["Pins"] = pins });
    }

    /// <summary>Removes pins; all or none of them.</summary>
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
    /// Lists pins, of one type or all, or what pins the arguments: <c>{"Keys":{CID:{"Type":…,"Name":…}}}</c>, and with <c>stream</c> a line
    /// <c>{"Cid":…,"Type":…,"Name":…}</c> each.
    /// </summary>
    public async Task ListAsync(ApiRequest request)
    {
        string type = request.Option("type") ?? "all";
        if (type is not ("all" or "direct" or "indirect" or "recursive"))
        {
            throw ApiException.Bad($"option type: '{type}' is not all, direct, indirect or recursive");
        }

        Cid[] asked = Arguments(request, required: false);
        IEnumerable<(Cid Cid, string Type, string Name)> found = asked.Length == 0 ? All(type, request.Aborted) : asked.Select(cid => Find(cid, type, request.Aborted));
        if (request.Flag("stream"))
        {
            request.Context.Response.ContentType = "application/json";
            foreach ((Cid cid, string how, string name) in found)
            {
                await request.LineAsync(new JsonObject { ["Cid"] = cid.ToString(), ["Type"] = how, ["Name"] = name });
            }

            return;
        }

        var keys = new JsonObject();
        foreach ((Cid cid, string how, string name) in found)
        {
            if (keys.Count == MaxListed)
            {
                throw new ApiException($"there are more than {MaxListed} pins: ask with stream=true");
            }

            keys[cid.ToString()] = new JsonObject { ["Type"] = how, ["Name"] = name };
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
        await using BitswapSource source = fetcher.AnySource();
        source.Root = root;
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(request.Aborted);
        limit.CancelAfter(FindTime);
        long blocks = 0;
        Task? writing = null;
        try
        {
            if (recursive)
            {
                await DagWalk.FetchAsync(root, source, Parallelism, Arrived, limit.Token);
            }
            else
            {
                (await source.GetAsync(root, limit.Token)).Dispose();
            }
        }
        catch (OperationCanceledException) when (!request.Aborted.IsCancellationRequested)
        {
            throw new ApiException($"{root} is not whole here after {blocks} blocks, and nobody sent more within {FindTime.TotalSeconds} s");
        }
        finally
        {
            if (writing is not null)
            {
                await writing;
            }
        }

        void Arrived(Cid cid, int length)
        {
            const int Step = 1000;
            limit.CancelAfter(FindTime);
            if (++blocks % Step == 0 && progress && writing is not { IsCompleted: false })
            {
                writing = request.LineAsync(new JsonObject { ["Progress"] = blocks });
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

        // What a recursive pin keeps below its root, once, and not what has a recursive pin of its own.
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
