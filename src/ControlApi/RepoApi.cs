using System.Text.Json.Nodes;
using System.Threading.Channels;
using Ipcs.Blockstore;
using Ipcs.Blockstore.Rocks;
using Ipcs.Dag.Gc;
using Ipcs.Multiformats;

namespace Ipcs.ControlApi;

/// <summary><c>repo …</c>: the store's size, its garbage collection, and whether all in it is sound.</summary>
internal sealed class RepoApi(ControlApiOptions options, IStore store, GarbageCollector collector)
{
    /// <summary>What Kubo writes for a store without a limit.</summary>
    private const ulong NoLimit = ulong.MaxValue;

    /// <summary>Lines that may wait for a slow client; then the work waits too.</summary>
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

    /// <summary>Prints <c>{"Key":{"/":CID}}</c> for every block removed, as soon as it is; ends when the disk has its room back.</summary>
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

    /// <summary>Prints <c>{"Msg":TEXT,"Progress":N}</c>, as Kubo: progress, faults, and the verdict, which is an error when there are faults.</summary>
    public Task VerifyAsync(ApiRequest request)
    {
        var verifier = new RepoVerifier(store);
        return StreamAsync(request, (write, cancellationToken) => Task.Factory.StartNew(
            () =>
            {
                int faults = 0;
                long blocks = verifier.CheckBlocks(
                    (hash, why) => Fault($"block {Cid.V1(Multicodec.Raw, hash)} was corrupt ({why})"),
                    n => write(new JsonObject { ["Msg"] = "", ["Progress"] = n }),
                    cancellationToken);
                int contents = verifier.CheckWhole((what, why) => Fault($"{what} is not whole ({why})"), cancellationToken);
                write(faults == 0
                    ? new JsonObject
                    {
                        ["Msg"] = $"verify complete, all blocks validated: {blocks} blocks, {contents} contents and pins.",
                        ["Progress"] = 0,
                    }
                    : throw new ApiException($"verify complete, {faults} faults found"));

                void Fault(string message)
                {
                    faults++;
                    write(new JsonObject { ["Msg"] = message, ["Progress"] = 0 });
                }
            },
            cancellationToken,
            TaskCreationOptions.LongRunning,
            TaskScheduler.Default));
    }

    /// <summary>Runs work on threads of its own, and sends the lines that it writes.</summary>
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
                // Thrown again where the lines are read.
                lines.Writer.Complete(e);
            }
        }
    }
}
