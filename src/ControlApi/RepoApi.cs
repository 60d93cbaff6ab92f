using System.Text.Json.Nodes;
using System.Threading.Channels;
using Ipcs.Blockstore;
using Ipcs.Blockstore.Rocks;
using Ipcs.Dag.Gc;
using Ipcs.Fleet;
using Ipcs.Multiformats;

namespace Ipcs.ControlApi;

/// <summary><c>repo stat</c>, <c>gc</c> and <c>verify</c>.</summary>
internal sealed class RepoApi(ControlApiOptions options, IStore store, GarbageCollector collector, ContentFetcher fetcher)
{
    /// <summary>The <c>StorageMax</c> that Kubo sends for a store without a limit.</summary>
    private const ulong NoLimit = ulong.MaxValue;

    /// <summary>How many lines may be queued for a slow client before the work waits.</summary>
    private const int MaxWaiting = 1024;

    public Task Stat(ApiRequest request)
    {
        StoreStatistics statistics = store.GetStatistics();
        JsonValue limit = options.StorageMax == 0 ? JsonValue.Create(NoLimit) : JsonValue.Create(options.StorageMax);
        return request.JsonAsync(request.Flag("size-only")
            ? new JsonObject { ["RepoSize"] = statistics.Bytes, ["StorageMax"] = limit }
            : new JsonObject
            {
                ["NumObjects"] = statistics.Blocks,
                ["RepoSize"] = statistics.Bytes,
                ["StorageMax"] = limit,
                ["RepoPath"] = options.Data,
                ["Version"] = $"ipcs-repo@{RocksStore.SchemaVersion}",
                ["NumContents"] = statistics.Contents,
                ["BlocksSize"] = statistics.BlockBytes,
            });
    }

    /// <summary>
    /// Collects garbage. Sends a line <c>{"Key":{"/":CID}}</c> for every removed block; ends after the disk space was freed.
    /// </summary>
    public Task GcAsync(ApiRequest request)
    {
        bool silent = request.Flag("silent");
        return StreamAsync(request, (write, cancellationToken) => collector.CollectAsync(
            (hash, _) =>
            {
                if (!silent)
                {
                    write(new JsonObject { ["Key"] = new JsonObject { ["/"] = Cid.V1(Multicodec.Raw, hash).ToString() } });
                }
            },
            cancellationToken));
    }

    /// <summary>
    /// Checks the store. Sends lines <c>{"Msg":TEXT,"Progress":N}</c> as Kubo does: progress, faults, and the result, which is an error
    /// when there are faults. With the option <c>repair</c>, damaged blocks are deleted, what contents and pins lack is fetched from the
    /// fleet, and the result is an error when some of it could not be had.
    /// </summary>
    public Task VerifyAsync(ApiRequest request)
    {
        bool repair = request.Flag("repair");
        var verifier = new RepoVerifier(store);
        return StreamAsync(request, async (write, cancellationToken) =>
        {
            int faults = 0;
            long blocks = 0;
            int contents = 0;
            await Task.Factory.StartNew(Check, cancellationToken, TaskCreationOptions.LongRunning, TaskScheduler.Default);
            if (repair)
            {
                int lacking = await fetcher.RepairAsync(Say, cancellationToken);
                if (lacking > 0)
                {
                    throw new ApiException($"verify complete, {faults} faults found, {lacking} contents and pins could not be repaired");
                }

                Say($"verify complete, {faults} faults found, all contents and pins are whole: {blocks} blocks.");
                return;
            }

            if (faults > 0)
            {
                throw new ApiException($"verify complete, {faults} faults found");
            }

            Say($"verify complete, all blocks validated: {blocks} blocks, {contents} contents and pins.");

            void Check()
            {
                blocks = verifier.CheckBlocks(
                    OnBadBlock, n => write(new JsonObject { ["Msg"] = "", ["Progress"] = n }), cancellationToken);
                if (!repair)
                {
                    contents = verifier.CheckWhole((what, why) => Fault($"{what} is not complete ({why})"), cancellationToken);
                }
            }

            void OnBadBlock(Multihash hash, string why)
            {
                if (hash.IsDefault)
                {
                    Fault($"a table of the store is damaged, and blocks may be missing: {why}");
                    return;
                }

                if (repair)
                {
                    store.Blocks.Delete(hash);
                }

                Fault($"block {Cid.V1(Multicodec.Raw, hash)} was corrupt ({why})");
            }

            void Fault(string message)
            {
                faults++;
                Say(message);
            }

            void Say(string message) => write(new JsonObject { ["Msg"] = message, ["Progress"] = 0 });
        });
    }

    /// <summary>Runs work in the background and sends the lines that it writes.</summary>
    private static async Task StreamAsync(ApiRequest request, Func<Action<JsonObject>, CancellationToken, Task> run)
    {
        request.Context.Response.ContentType = "application/json";
        var lines = Channel.CreateBounded<JsonObject>(new BoundedChannelOptions(MaxWaiting) { SingleReader = true });
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(request.Aborted);
        Task work = RunAsync();
        try
        {
            await foreach (JsonObject line in lines.Reader.ReadAllAsync(CancellationToken.None))
            {
                await request.LineAsync(line);
            }
        }
        finally
        {
            await stop.CancelAsync();
            await work;
        }

        async Task RunAsync()
        {
            try
            {
                await run(line => lines.Writer.WriteAsync(line, stop.Token).AsTask().GetAwaiter().GetResult(), stop.Token);
                lines.Writer.Complete();
            }
            catch (Exception e)
            {
                // ReadAllAsync throws it.
                lines.Writer.Complete(e);
            }
        }
    }
}
