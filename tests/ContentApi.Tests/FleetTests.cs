using System.Text;
using Google.Protobuf;
using Grpc.Core;
using Ipcs.Blockstore;
using Ipcs.Blockstore.Memory;
using Ipcs.ContentApi.V1;
using Ipcs.Dag;
using Ipcs.Dag.Chunking;
using Ipcs.Dag.Gc;
using Ipcs.Dag.Import;
using Ipcs.Multiformats;
using Microsoft.Extensions.DependencyInjection;

namespace Ipcs.ContentApi.Tests;

/// <summary>Contents that the fleet finds, and the records and collections around them.</summary>
public sealed class FleetTests
{
    private static readonly ImportProfile SmallChunks = ImportProfile.KuboV1 with { Name = "small", Chunker = ChunkerSpec.Size(1024) };

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    /// <summary>containerd keeps a positive Info as a fact, and waits for it with its metadata locked.</summary>
    [Fact]
    public async Task An_info_promises_only_what_is_here()
    {
        using var store = new MemoryStore();
        var fleet = new TestFleet(store);
        await using ContentHost host = await ContentHost.StartAsync(store, fleet);
        ContentRecord record = Import(store, Calls.Bytes(5000, 1));
        var request = new InfoRequest { Digest = record.Digest.ToString() };
        fleet.Fetched[record.Digest] = new TaskCompletionSource<ContentRecord?>().Task;
        foreach (ContentRecord? known in (ContentRecord?[])[null, record, record with { Owned = true }])
        {
            if (known is not null)
            {
                host.Services.GetRequiredService<ContentCatalog>().Change(record.Digest, _ => known);
            }

            Assert.Equal(StatusCode.NotFound, (await Calls.FailureAsync(
                async () => await host.Client.InfoAsync(request, cancellationToken: Token))).StatusCode);
        }

        Assert.Empty(fleet.Asked);

        // One that containerd owns and that is damaged is fetched again.
        Assert.Equal(record.Digest, Assert.Single(fleet.Fetches).Digest);
        host.Services.GetRequiredService<ContentCatalog>().Change(record.Digest, there => record with { Complete = true });
        Assert.Equal(5000, (await host.Client.InfoAsync(request, cancellationToken: Token)).Info.Size);
        Assert.True(Assert.Single(store.Contents.Enumerate()) is { Owned: true, Complete: true });
        Assert.Equal(record.Digest.ToString(), Assert.Single(await host.Client.ListAllAsync()).Digest);
        await host.Client.DeleteAsync(new DeleteContentRequest { Digest = request.Digest }, cancellationToken: Token);
        Assert.Empty(store.Contents.Enumerate());
    }

    [Fact]
    public async Task What_is_deleted_may_stay_for_the_peers_and_comes_back_by_a_write()
    {
        using var store = new MemoryStore();
        bool retains = true;
        await using ContentHost host = await ContentHost.StartAsync(store, configure: o => o.Retains = () => retains);
        byte[] data = Calls.Bytes(5000, 31);
        string digest = await host.Client.CommitAsync("r", data, commit => commit.Labels.Add("a", "b"));
        await host.Client.DeleteAsync(new DeleteContentRequest { Digest = digest }, cancellationToken: Token);
        Assert.True(Assert.Single(store.Contents.Enumerate()) is { Owned: false, Complete: true, Retained: true, Labels.Count: 0 });
        Assert.Empty(await host.Client.ListAllAsync());
        Assert.Equal(StatusCode.NotFound, (await Calls.FailureAsync(
            async () => await host.Client.DeleteAsync(new DeleteContentRequest { Digest = digest }, cancellationToken: Token))).StatusCode);
        var request = new InfoRequest { Digest = digest };
        Assert.Equal(StatusCode.NotFound, (await Calls.FailureAsync(
            async () => await host.Client.InfoAsync(request, cancellationToken: Token))).StatusCode);
        Assert.Equal(digest, await host.Client.CommitAsync("again", data, commit => commit.Expected = digest));
        Assert.True(Assert.Single(store.Contents.Enumerate()) is { Owned: true, Complete: true, Retained: false });
        Assert.Equal(5000, (await host.Client.InfoAsync(request, cancellationToken: Token)).Info.Size);
        Assert.Equal(data, await host.Client.ReadAllAsync(digest));

        retains = false;
        await host.Client.DeleteAsync(new DeleteContentRequest { Digest = digest }, cancellationToken: Token);
        Assert.Empty(store.Contents.Enumerate());
    }

    [Fact]
    public async Task A_blob_is_read_after_it_is_verified()
    {
        using var store = new MemoryStore();
        var fleet = new TestFleet(store);
        await using ContentHost host = await ContentHost.StartAsync(store, fleet);
        byte[] data = Calls.Bytes(5000, 2);
        ContentRecord record = Import(store, data) with { Owned = true };
        store.Contents.Put(record);
        Task<byte[]> reading = host.Client.ReadAllAsync(record.Digest.ToString(), 1000, 3000);
        await fleet.Waited.Task.WaitAsync(Token);
        Assert.False(reading.IsCompleted);
        host.Services.GetRequiredService<ContentCatalog>().Change(record.Digest, there => there! with { Complete = true });
        fleet.Whole.SetResult();
        Assert.Equal(data[1000..4000], await reading);
    }

    [Fact]
    public async Task A_lost_blob_is_unavailable_and_the_error_names_it()
    {
        using var store = new MemoryStore();
        var fleet = new TestFleet(store);
        await using ContentHost host = await ContentHost.StartAsync(store, fleet);
        ContentRecord record = Import(store, Calls.Bytes(5000, 3)) with { Owned = true };
        store.Contents.Put(record);
        fleet.Whole.SetException(new ContentUnavailableException($"{record.Digest}: asked a and b"));
        Grpc.Core.Status status = await Calls.FailureAsync(() => host.Client.ReadAllAsync(record.Digest.ToString()));
        Assert.Equal((StatusCode.Unavailable, $"{record.Digest}: asked a and b"), (status.StatusCode, status.Detail));
    }

    [Fact]
    public async Task A_blob_deleted_while_a_read_waits_for_it_is_not_found()
    {
        using var store = new MemoryStore();
        var fleet = new TestFleet(store);
        await using ContentHost host = await ContentHost.StartAsync(store, fleet);
        ContentRecord record = Import(store, Calls.Bytes(5000, 4)) with { Owned = true };
        store.Contents.Put(record);
        Task<Grpc.Core.Status> reading = Calls.FailureAsync(() => host.Client.ReadAllAsync(record.Digest.ToString()));
        await fleet.Waited.Task.WaitAsync(Token);
        await host.Client.DeleteAsync(new DeleteContentRequest { Digest = record.Digest.ToString() }, cancellationToken: Token);
        fleet.Whole.SetResult();
        Assert.Equal(StatusCode.NotFound, (await reading).StatusCode);
    }

    [Fact]
    public async Task A_dag_is_read_while_it_is_fetched()
    {
        using var store = new MemoryStore();
        var fleet = new TestFleet(store);
        await using ContentHost host = await ContentHost.StartAsync(store, fleet);
        byte[] data = Calls.Bytes(300_000, 5);
        var importer = new DagImporter(store.Blocks, ImportProfile.KuboV0 with { Chunker = ChunkerSpec.Size(100_000) });
        importer.Write(data);
        DagRoot root = importer.Finish();
        var digest = new Digest(root.Root.Hash);
        store.Contents.Put(new ContentRecord { Digest = digest, Kind = ContentKind.Dag, Root = root.Root, Size = root.Size, Owned = true });
        Assert.Equal(data[150_000..160_000], await host.Client.ReadAllAsync(digest.ToString(), 150_000, 10_000));
        Assert.Equal(digest, Assert.Single(fleet.Fetches).Digest);

        // A block that no peer has.
        Multihash last = store.Blocks.Enumerate().Select(b => b.Hash).First(h => Reads(store, h, data[200_000..]));
        store.Blocks.Delete(last);
        Grpc.Core.Status status = await Calls.FailureAsync(() => host.Client.ReadAllAsync(digest.ToString(), 200_000));
        Assert.Equal(StatusCode.Unavailable, status.StatusCode);
        Assert.Contains(digest.ToString(), status.Detail, StringComparison.Ordinal);

        // In a complete content it is a loss of data.
        host.Services.GetRequiredService<ContentCatalog>().Change(digest, there => there! with { Complete = true });
        Assert.Equal(
            StatusCode.DataLoss, (await Calls.FailureAsync(() => host.Client.ReadAllAsync(digest.ToString(), 200_000))).StatusCode);
    }

    [Fact]
    public async Task Bytes_written_complete_a_promised_blob()
    {
        using var store = new MemoryStore();
        await using ContentHost host = await ContentHost.StartAsync(store);
        byte[] data = Calls.Bytes(5000, 6);
        var digest = Digest.Parse(Calls.DigestOf(data));
        Cid elsewhere = Import(store, Calls.Bytes(10, 7)).Root;
        store.Contents.Put(new ContentRecord
        {
            Digest = digest,
            Kind = ContentKind.Blob,
            Root = elsewhere,
            Size = 5001, // a peer said so
            Owned = true,
            Labels = new Dictionary<string, string> { ["kept"] = "yes" },
        });
        Assert.Equal(StatusCode.AlreadyExists, (await Calls.FailureAsync(() => host.Client.CommitAsync("r", data))).StatusCode);
        Assert.True(store.Contents.Get(digest) is { Complete: true, Size: 5000 } whole && whole.Labels["kept"] == "yes");
        Assert.Equal(data, await host.Client.ReadAllAsync(digest.ToString()));
    }

    [Fact]
    public async Task Contents_of_a_manifest_are_looked_up_ahead()
    {
        using var store = new MemoryStore();
        var fleet = new TestFleet(store);
        await using ContentHost host = await ContentHost.StartAsync(store, fleet, SmallChunks);
        string[] named = [.. Enumerable.Range(0, 40).Select(i => Calls.DigestOf([(byte)i]))];
        string layers = string.Join(',', named.Skip(1).Select(d => $"{{\"digest\":\"{d}\",\"size\":1}}"));
        string manifest = $"{{\"config\":{{\"digest\":\"{named[0]}\"}},\"layers\":[{layers}]}}";
        Assert.True(manifest.Length > SmallChunks.Chunker.MaxLength);
        await CommitWhollyAsync(host, "manifest", Encoding.UTF8.GetBytes(manifest));
        Assert.Equal(named.Order(), fleet.Ahead.Select(d => d.ToString()).Order());

        fleet.Ahead.Clear();
        await CommitWhollyAsync(
            host, "index", Encoding.UTF8.GetBytes($"{{\"manifests\":[{{\"digest\":\"{named[3]}\"}},{{\"digest\":\"sha512:no\"}},7]}}"));
        Assert.Equal(named[3], Assert.Single(fleet.Ahead).ToString());
    }

    [Fact]
    public async Task A_failed_look_ahead_does_not_fail_the_commit()
    {
        using var store = new MemoryStore();
        var fleet = new TestFleet(store) { AheadError = new InvalidOperationException("the fleet is broken") };
        await using ContentHost host = await ContentHost.StartAsync(store, fleet, SmallChunks);
        string good = $"{{\"config\":{{\"digest\":\"{Calls.DigestOf([1])}\"}}}}";
        foreach (string text in (string[])
            [
                good, "{", "{}", "{\"layers\":3}", "{\"layers\":[[[]]],\"config\":null}", "{\"config\":{\"digest\":\"\\ud800\"}}",
                "{\"config\":{\"digest\":\"\\ud800\"},\"a\":1}",
                "{\"config\":\"" + new string('x', 5000) + "\"}", "{" + new string('[', 5000),
                string.Concat(Enumerable.Repeat("{\"manifests\":[", 500)),
            ])
        {
            byte[] bytes = Encoding.UTF8.GetBytes(text);
            await CommitWhollyAsync(host, "r", bytes);
            Assert.Equal(bytes, await host.Client.ReadAllAsync(Calls.DigestOf(bytes)));
        }

        Assert.NotEmpty(fleet.Ahead);
    }

    /// <summary>The fleet and two Updates change one record at once: no change is lost.</summary>
    [Fact]
    public async Task Changes_of_one_record_do_not_overwrite_each_other()
    {
        using var store = new MemoryStore();
        await using ContentHost host = await ContentHost.StartAsync(store);
        ContentCatalog catalog = host.Services.GetRequiredService<ContentCatalog>();
        ContentRecord record = Import(store, Calls.Bytes(100, 8)) with { Owned = true };
        for (int round = 0; round < 100; round++)
        {
            store.Contents.Put(record);
            await Task.WhenAll(
                Task.Run(() => catalog.Change(record.Digest, there => there! with { Complete = true }), Token),
                Task.Run(async () => await host.Client.UpdateAsync(Label(record, "a"), cancellationToken: Token), Token),
                Task.Run(async () => await host.Client.UpdateAsync(Label(record, "b"), cancellationToken: Token), Token));
            ContentRecord there = store.Contents.Get(record.Digest)!;
            Assert.True(
                there.Complete && there.Labels.Count == 2, $"round {round}: complete {there.Complete}, {there.Labels.Count} labels");
        }
    }

    /// <summary>Readers race with changes of the record.</summary>
    [Fact]
    public async Task A_cached_record_is_never_older_than_the_last_change()
    {
        using var store = new MemoryStore();
        var catalog = new ContentCatalog(store);
        ContentRecord record = Import(store, Calls.Bytes(100, 9));
        using var end = new CancellationTokenSource();
        Task[] readers = [.. Enumerable.Range(0, 2).Select(_ => Task.Run(
            () =>
            {
                while (!end.IsCancellationRequested)
                {
                    catalog.Get(record.Digest);
                }
            },
            Token))];
        for (int size = 1; size < 2000; size++)
        {
            catalog.Change(record.Digest, there => size % 7 == 0 ? null : (there ?? record) with { Size = size });
            Assert.Equal(size % 7 == 0 ? null : size, catalog.Get(record.Digest)?.Size);
        }

        await end.CancelAsync();
        await Task.WhenAll(readers);
    }

    /// <summary>A Delete makes blocks garbage, but a collection keeps those that are being read, and those of open ingests.</summary>
    [Fact]
    public async Task A_collection_does_not_disturb_reads_and_writes()
    {
        using var store = new MemoryStore();
        await using ContentHost host = await ContentHost.StartAsync(store);
        byte[] data = Calls.Bytes(16 << 20, 10);
        string digest = await host.Client.CommitAsync("r", Calls.Bytes(8 << 20, 11));
        using Calls.Session writing = host.Client.Open();
        await writing.SendAsync(
            new WriteContentRequest { Action = WriteAction.Write, Ref = "w", Data = ByteString.CopyFrom(data, 0, 8 << 20) });
        using AsyncServerStreamingCall<ReadContentResponse> reading = host.Client.Read(
            new ReadContentRequest { Digest = digest }, cancellationToken: Token);
        var read = new MemoryStream();
        Assert.True(await reading.ResponseStream.MoveNext(Token));
        read.Write(reading.ResponseStream.Current.Data.Span);

        await host.Client.DeleteAsync(new DeleteContentRequest { Digest = digest }, cancellationToken: Token);
        Collect(host, store);
        while (await reading.ResponseStream.MoveNext(Token))
        {
            read.Write(reading.ResponseStream.Current.Data.Span);
        }

        Assert.Equal(digest, Calls.DigestOf(read.ToArray()));
        await writing.SendAsync(
            new WriteContentRequest { Action = WriteAction.Write, Offset = 8 << 20, Data = ByteString.CopyFrom(data, 8 << 20, 8 << 20) });
        await writing.SendAsync(
            new WriteContentRequest { Action = WriteAction.Commit, Offset = 16 << 20, Expected = Calls.DigestOf(data) });
        await writing.EndAsync();
        Collect(host, store);
        Assert.Equal(data, await host.Client.ReadAllAsync(Calls.DigestOf(data)));
        Assert.Equal(64 + 1, store.Blocks.Enumerate().Count());
    }

    private static void Collect(ContentHost host, MemoryStore store)
    {
        using IGcCycle collection = store.BeginCollection();
        var kept = new BlockSet();
        var waiting = new Stack<Cid>(collection.LeasedRoots().Concat(host.Services.GetRequiredService<IIngestRoots>().LeasedRoots()));
        foreach (ContentRecord content in store.Contents.Enumerate())
        {
            waiting.Push(content.Root);
        }

        while (waiting.TryPop(out Cid cid))
        {
            using System.Buffers.IMemoryOwner<byte>? block = store.Blocks.Get(cid.Hash);
            if (block is not null && kept.Add(cid.Hash))
            {
                foreach (Cid child in Ipcs.Dag.Read.DagWalk.Children(cid, block.Memory.Span))
                {
                    waiting.Push(child);
                }
            }
        }

        collection.Sweep(kept, (_, _) => { }, Token);
    }

    private static UpdateRequest Label(ContentRecord record, string label) => new()
    {
        Info = new Info { Digest = record.Digest.ToString(), Labels = { [label] = "x" } },
        UpdateMask = new Google.Protobuf.WellKnownTypes.FieldMask { Paths = { "labels." + label } },
    };

    private static bool Reads(MemoryStore store, in Multihash hash, byte[] data)
    {
        using System.Buffers.IMemoryOwner<byte> block = store.Blocks.Get(hash)!;
        return block.Memory.Span.IndexOf(data.AsSpan(0, 64)) >= 0;
    }

    /// <summary>Commits, and waits for the end of the call, which does some work after its reply.</summary>
    private static async Task CommitWhollyAsync(ContentHost host, string reference, byte[] data)
    {
        using Calls.Session session = host.Client.Open();
        await session.SendAsync(
            new WriteContentRequest { Ref = reference, Action = WriteAction.Write, Data = ByteString.CopyFrom(data) });
        await session.SendAsync(
            new WriteContentRequest { Action = WriteAction.Commit, Offset = data.Length, Expected = Calls.DigestOf(data) });
        await session.EndAsync();
    }

    private static ContentRecord Import(IStore store, byte[] data)
    {
        var importer = new DagImporter(store.Blocks, SmallChunks);
        importer.Write(data);
        DagRoot root = importer.Finish();
        return new ContentRecord { Digest = Digest.Sha256(data), Kind = ContentKind.Blob, Root = root.Root, Size = root.Size };
    }
}
