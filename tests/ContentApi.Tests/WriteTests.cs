using System.Security.Cryptography;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Ipcs.Blockstore.Memory;
using Ipcs.ContentApi.V1;
using Ipcs.Dag.Chunking;
using Ipcs.Dag.Gc;
using Ipcs.Dag.Import;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Time.Testing;

namespace Ipcs.ContentApi.Tests;

/// <summary>The states of an ingest, beyond what containerd's own suite tests.</summary>
public sealed class WriteTests
{
    private static readonly ImportProfile SmallChunks = ImportProfile.KuboV1 with { Name = "small", Chunker = ChunkerSpec.Size(1024) };

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task An_ingest_stays_resumable_after_a_refused_commit()
    {
        using var store = new MemoryStore();
        await using ContentHost host = await ContentHost.StartAsync(store, profile: SmallChunks);
        byte[] data = Calls.Bytes(5000, 1);
        foreach (WriteContentRequest wrong in (WriteContentRequest[])
            [
                new() { Action = WriteAction.Commit, Offset = 3000, Total = 5000 },
                new() { Action = WriteAction.Commit, Offset = 3000, Expected = Calls.DigestOf(data) },
            ])
        {
            using Calls.Session session = host.Client.Open();
            await session.SendAsync(Write("r", 0, data[..3000]));
            Assert.Equal(StatusCode.FailedPrecondition, (await Calls.FailureAsync(() => session.SendAsync(wrong))).StatusCode);
        }

        using Calls.Session resumed = host.Client.Open();
        WriteContentResponse stat = await resumed.SendAsync(new WriteContentRequest { Ref = "r" });
        Assert.Equal((3000L, Calls.DigestOf(data.AsSpan(0, 3000))), (stat.Offset, stat.Digest));
        await resumed.SendAsync(Write("", 3000, data[3000..]));
        WriteContentResponse done = await resumed.SendAsync(
            new WriteContentRequest { Action = WriteAction.Commit, Offset = 5000, Total = 5000, Expected = Calls.DigestOf(data) });
        Assert.Equal((5000L, Calls.DigestOf(data)), (done.Offset, done.Digest));
        Assert.Equal(data, await host.Client.ReadAllAsync(Calls.DigestOf(data)));
    }

    [Fact]
    public async Task A_write_at_offset_zero_truncates()
    {
        using var store = new MemoryStore();
        await using ContentHost host = await ContentHost.StartAsync(store, profile: SmallChunks);
        byte[] data = Calls.Bytes(2500, 2);
        using Calls.Session session = host.Client.Open();
        await session.SendAsync(Write("r", 0, Calls.Bytes(9000, 3)));
        WriteContentResponse again = await session.SendAsync(Write("r", 0, data));
        Assert.Equal((2500L, Calls.DigestOf(data)), (again.Offset, again.Digest));
        Assert.Equal(
            Calls.DigestOf(data), (await session.SendAsync(new WriteContentRequest { Action = WriteAction.Commit, Offset = 2500 })).Digest);
        Assert.Equal(data, await host.Client.ReadAllAsync(Calls.DigestOf(data)));
    }

    [Fact]
    public async Task The_state_of_an_ingest_survives_a_restart()
    {
        var time = new FakeTimeProvider(new DateTimeOffset(2026, 1, 2, 3, 4, 5, TimeSpan.Zero));
        using var store = new MemoryStore();
        byte[] data = Calls.Bytes(10_000, 4);
        WriteContentResponse before;
        await using (ContentHost host = await ContentHost.StartAsync(store, profile: SmallChunks, configure: o => o.Time = time))
        {
            using Calls.Session session = host.Client.Open();
            await session.SendAsync(new WriteContentRequest { Ref = "r", Total = 10_000 });
            time.Advance(TimeSpan.FromSeconds(7));
            before = await session.SendAsync(Write("r", 0, data[..7777]));
            await session.EndAsync();
        }

        await using ContentHost next = await ContentHost.StartAsync(store, profile: SmallChunks, configure: o => o.Time = time);
        V1.Status status = (await next.Client.StatusAsync(new StatusRequest { Ref = "r" }, cancellationToken: Token)).Status;
        Assert.Equal(
            (7777L, 10_000L, before.StartedAt, before.UpdatedAt), (status.Offset, status.Total, status.StartedAt, status.UpdatedAt));
        Assert.Equal(TimeSpan.FromSeconds(7), status.UpdatedAt.ToDateTimeOffset() - status.StartedAt.ToDateTimeOffset());

        time.Advance(TimeSpan.FromSeconds(7));
        using Calls.Session resumed = next.Client.Open();
        WriteContentResponse stat = await resumed.SendAsync(new WriteContentRequest { Ref = "r" });
        Assert.Equal(
            (7777L, 10_000L, before.StartedAt, before.UpdatedAt, Calls.DigestOf(data.AsSpan(0, 7777))),
            (stat.Offset, stat.Total, stat.StartedAt, stat.UpdatedAt, stat.Digest));
        await resumed.SendAsync(Write("", 7777, data[7777..]));
        Assert.Equal(Calls.DigestOf(data), (await resumed.SendAsync(
            new WriteContentRequest { Action = WriteAction.Commit, Offset = 10_000 })).Digest);
        Assert.Equal(data, await next.Client.ReadAllAsync(Calls.DigestOf(data)));
    }

    /// <summary>A second host over the store of a session that is open, as after a crash.</summary>
    [Fact]
    public async Task An_interrupted_ingest_resumes_from_a_durable_offset()
    {
        using var store = new MemoryStore();
        byte[] data = Calls.Bytes(10_000, 5);
        await using ContentHost host = await ContentHost.StartAsync(store, profile: SmallChunks, configure: o => o.SaveEvery = 2048);
        using Calls.Session session = host.Client.Open();
        await session.SendAsync(Write("r", 0, data[..5000]));

        await using ContentHost next = await ContentHost.StartAsync(store, profile: SmallChunks);
        using Calls.Session resumed = next.Client.Open();
        WriteContentResponse stat = await resumed.SendAsync(new WriteContentRequest { Ref = "r" });
        Assert.Equal((4096L, Calls.DigestOf(data.AsSpan(0, 4096))), (stat.Offset, stat.Digest));
        await resumed.SendAsync(Write("", 4096, data[4096..]));
        Assert.Equal(Calls.DigestOf(data), (await resumed.SendAsync(
            new WriteContentRequest { Action = WriteAction.Commit, Offset = 10_000 })).Digest);
    }

    [Fact]
    public async Task A_locked_reference_is_waited_for_and_then_unavailable()
    {
        var time = new FakeTimeProvider();
        using var store = new MemoryStore();
        await using ContentHost host = await ContentHost.StartAsync(store, configure: o => o.Time = time);
        using Calls.Session first = host.Client.Open();
        await first.SendAsync(new WriteContentRequest { Ref = "r" });

        using Calls.Session second = host.Client.Open();
        long started = time.GetTimestamp();
        Task<Grpc.Core.Status> refused = Calls.FailureAsync(() => second.SendAsync(new WriteContentRequest { Ref = "r" }));
        while (!refused.IsCompleted)
        {
            // The clock stands still but for this, so that the wait is exact however slow the machine is.
            time.Advance(TimeSpan.FromMilliseconds(100));
            await Task.Delay(1, Token);
        }

        Assert.Equal(StatusCode.Unavailable, (await refused).StatusCode);
        Assert.True(time.GetElapsedTime(started) >= TimeSpan.FromMilliseconds(100), $"refused after {time.GetElapsedTime(started)}");

        // A client closes a Write by a half-close: a session that is opened at once after it waits for the lock.
        using Calls.Session third = host.Client.Open();
        Task<WriteContentResponse> waiting = third.SendAsync(new WriteContentRequest { Ref = "r" });
        await first.CloseAsync();
        Assert.Equal(0, (await waiting).Offset);
    }

    [Fact]
    public async Task The_lock_is_free_before_a_reply_or_an_error_is_sent()
    {
        using var store = new MemoryStore();
        await using ContentHost host = await ContentHost.StartAsync(store, configure: o => o.LockWait = TimeSpan.Zero);
        for (int i = 0; i < 50; i++)
        {
            // As containerd does, the client leaves the streams of the sessions open.
            using Calls.Session failing = host.Client.Open();
            await failing.SendAsync(Write("r", 0, Calls.Bytes(10, i)));
            await Calls.FailureAsync(
                () => failing.SendAsync(new WriteContentRequest { Action = WriteAction.Commit, Offset = 10, Total = 11 }));
            using Calls.Session session = host.Client.Open();
            Assert.Equal(10, (await session.SendAsync(new WriteContentRequest { Ref = "r" })).Offset);
            await session.SendAsync(new WriteContentRequest { Action = WriteAction.Commit, Offset = 10 });
        }

        Assert.Equal(50, (await host.Client.ListAllAsync()).Count);
    }

    [Fact]
    public async Task An_abort_ends_the_session_and_the_reference_is_new()
    {
        using var store = new MemoryStore();
        await using ContentHost host = await ContentHost.StartAsync(
            store, profile: SmallChunks, configure: o => o.LockWait = o.AbortWait = TimeSpan.FromMinutes(1));
        for (int i = 0; i < 20; i++)
        {
            using Calls.Session session = host.Client.Open();
            Assert.Equal(0, (await session.SendAsync(new WriteContentRequest { Ref = "r" })).Offset);
            await session.SendAsync(Write("r", 0, Calls.Bytes(3000, i)));

            // Another session waits for the lock: the abort ends it too if it gets the lock.
            using Calls.Session waiting = host.Client.Open();
            Task<WriteContentResponse> second = waiting.SendAsync(new WriteContentRequest { Ref = "r" });
            await host.Client.AbortAsync(new AbortRequest { Ref = "r" }, cancellationToken: Token);
            Assert.Equal(StatusCode.Aborted, (await Calls.FailureAsync(() => session.SendAsync(Write("r", 3000, [1])))).StatusCode);
            await second.ContinueWith(_ => { }, Token, TaskContinuationOptions.None, TaskScheduler.Default);
            waiting.Dispose();
            await AbortIfThereAsync(host, "r");
            Assert.Empty(store.Ingests.Enumerate());
        }
    }

    [Theory]
    [InlineData("sha384", false)]
    [InlineData("sha512", false)]
    [InlineData("sha384", true)]
    [InlineData("sha512", true)]
    public async Task A_content_of_another_algorithm_is_written_and_read(string algorithm, bool isNamedFirst)
    {
        using var store = new MemoryStore();
        await using ContentHost host = await ContentHost.StartAsync(store, profile: SmallChunks);
        byte[] data = Calls.Bytes(300_000, 6);
        string digest = algorithm + ":" + Convert.ToHexStringLower(algorithm == "sha512" ? SHA512.HashData(data) : SHA384.HashData(data));
        string reference = isNamedFirst ? "layer-" + digest : "r";
        using Calls.Session session = host.Client.Open();
        await session.SendAsync(new WriteContentRequest { Ref = reference });
        await session.SendAsync(Write("", 0, data[..150_000]));
        WriteContentResponse middle = await session.SendAsync(Write("", 150_000, data[150_000..]));
        Assert.Equal(Calls.DigestOf(data), middle.Digest);
        WriteContentResponse done = await session.SendAsync(
            new WriteContentRequest { Action = WriteAction.Commit, Offset = 300_000, Expected = digest });
        Assert.Equal(digest, done.Digest);
        Assert.Equal(digest, Assert.Single(await host.Client.ListAllAsync()).Digest);
        Assert.Equal(data, await host.Client.ReadAllAsync(digest));

        using Calls.Session again = host.Client.Open();
        Assert.Equal(
            StatusCode.AlreadyExists, (await Calls.FailureAsync(
                () => again.SendAsync(new WriteContentRequest { Ref = "again", Expected = digest }))).StatusCode);
        Assert.Empty(store.Ingests.Enumerate());
    }

    [Fact]
    public async Task A_content_in_the_index_already_exists()
    {
        using var store = new MemoryStore();
        await using ContentHost host = await ContentHost.StartAsync(store);
        byte[] data = Calls.Bytes(1000, 7);
        string digest = await host.Client.CommitAsync("one", data);
        Assert.Equal(StatusCode.AlreadyExists, (await Calls.FailureAsync(() => host.Client.CommitAsync("two", data))).StatusCode);
        Assert.Equal(StatusCode.AlreadyExists, (await Calls.FailureAsync(
            () => host.Client.CommitAsync("three", data, c => c.Expected = digest))).StatusCode);
        Assert.Empty(store.Ingests.Enumerate());

        // Of two that write the same at once, one commits and the other hears that it is there.
        byte[] both = Calls.Bytes(100_000, 8);
        StatusCode[] ends = await Task.WhenAll(Enumerable.Range(0, 8).Select(async i =>
        {
            try
            {
                await host.Client.CommitAsync("both-" + i, both);
                return StatusCode.OK;
            }
            catch (RpcException e)
            {
                return e.StatusCode;
            }
        }));
        Assert.Single(ends, StatusCode.OK);
        Assert.Equal(7, ends.Count(e => e == StatusCode.AlreadyExists));
    }

    [Fact]
    public async Task A_failed_commit_says_why_and_the_next_one_succeeds()
    {
        using var store = new BrokenStore();
        await using ContentHost host = await ContentHost.StartAsync(store, profile: SmallChunks, configure: o => o.SaveEvery = 1024);
        byte[] data = Calls.Bytes(5000, 9);
        store.FailsCommits = true;
        Grpc.Core.Status status = await Calls.FailureAsync(() => host.Client.CommitAsync("r", data));
        Assert.Equal((StatusCode.ResourceExhausted, "the commit fails"), (status.StatusCode, status.Detail));
        Assert.Empty(store.Contents.Enumerate());

        store.FailsCommits = false;
        using Calls.Session session = host.Client.Open();
        long offset = (await session.SendAsync(new WriteContentRequest { Ref = "r" })).Offset;
        Assert.Equal(4096, offset);
        await session.SendAsync(Write("", offset, data[(int)offset..]));
        Assert.Equal(
            Calls.DigestOf(data), (await session.SendAsync(new WriteContentRequest { Action = WriteAction.Commit, Offset = 5000 })).Digest);
        Assert.Equal(data, await host.Client.ReadAllAsync(Calls.DigestOf(data)));
        Assert.Empty(store.Ingests.Enumerate());
    }

    [Fact]
    public async Task A_full_disk_is_reported_and_stored_bytes_stay()
    {
        using var store = new BrokenStore();
        await using ContentHost host = await ContentHost.StartAsync(store, profile: SmallChunks, configure: o => o.SaveEvery = 1024);
        byte[] data = Calls.Bytes(9000, 10);
        string there = await host.Client.CommitAsync("there", Calls.Bytes(3000, 11));
        using (Calls.Session session = host.Client.Open())
        {
            await session.SendAsync(Write("r", 0, data[..5000]));
            store.IsFull = true;
            Grpc.Core.Status status = await Calls.FailureAsync(() => session.SendAsync(Write("", 5000, data[5000..])));
            Assert.Equal((StatusCode.ResourceExhausted, "no room left"), (status.StatusCode, status.Detail));
        }

        using (Calls.Session refused = host.Client.Open())
        {
            Assert.Equal(StatusCode.ResourceExhausted, (await Calls.FailureAsync(
                () => refused.SendAsync(new WriteContentRequest { Ref = "another" }))).StatusCode);
        }

        // A wrong offset is still reported as such, and not as a full disk.
        using (Calls.Session wrong = host.Client.Open())
        {
            Assert.Equal(
                StatusCode.OutOfRange, (await Calls.FailureAsync(() => wrong.SendAsync(Write("r", 1, [1])))).StatusCode);
        }

        Assert.Equal(Calls.Bytes(3000, 11), await host.Client.ReadAllAsync(there));
        store.IsFull = false;
        using Calls.Session resumed = host.Client.Open();
        long offset = (await resumed.SendAsync(new WriteContentRequest { Ref = "r" })).Offset;
        Assert.Equal(4096, offset);
        await resumed.SendAsync(Write("", offset, data[(int)offset..]));
        Assert.Equal(
            Calls.DigestOf(data), (await resumed.SendAsync(new WriteContentRequest { Action = WriteAction.Commit, Offset = 9000 })).Digest);
    }

    [Fact]
    public async Task The_number_of_ingests_is_bounded()
    {
        using var store = new MemoryStore();
        await using ContentHost host = await ContentHost.StartAsync(store, configure: o => o.MaxIngests = 3);
        for (int i = 0; i < 3; i++)
        {
            using Calls.Session session = host.Client.Open();
            await session.SendAsync(Write("r" + i, 0, [1, 2, 3]));
            await session.EndAsync();
        }

        using (Calls.Session fourth = host.Client.Open())
        {
            Assert.Equal(StatusCode.ResourceExhausted, (await Calls.FailureAsync(
                () => fourth.SendAsync(new WriteContentRequest { Ref = "r4" }))).StatusCode);
        }

        await host.Client.AbortAsync(new AbortRequest { Ref = "r1" }, cancellationToken: Token);
        using Calls.Session fifth = host.Client.Open();
        await fifth.SendAsync(new WriteContentRequest { Ref = "r5" });
        ListStatusesResponse all = await host.Client.ListStatusesAsync(new ListStatusesRequest(), cancellationToken: Token);
        Assert.Equal(["r0", "r2", "r5"], all.Statuses.Select(s => s.Ref));
        all = await host.Client.ListStatusesAsync(new ListStatusesRequest { Filters = { "ref~=/^r[02]$/" } }, cancellationToken: Token);
        Assert.Equal(["r0", "r2"], all.Statuses.Select(s => s.Ref));
    }

    [Fact]
    public async Task Blocks_of_ingests_are_reported_to_garbage_collection()
    {
        using var store = new MemoryStore();
        await using ContentHost host = await ContentHost.StartAsync(store, profile: SmallChunks);
        var ingests = (IIngestRoots)host.Services.GetRequiredService(typeof(IIngestRoots));
        using Calls.Session open = host.Client.Open();
        await open.SendAsync(Write("open", 0, Calls.Bytes(4000, 12)));
        using (Calls.Session closed = host.Client.Open())
        {
            await closed.SendAsync(Write("closed", 0, Calls.Bytes(4000, 13)));
            await closed.EndAsync();
        }

        Assert.Equal(store.Blocks.Enumerate().Select(b => b.Hash).ToHashSet(), ingests.LeasedRoots().Select(r => r.Hash).ToHashSet());
        await using ContentHost next = await ContentHost.StartAsync(store, profile: SmallChunks);
        Assert.Equal(3, ((IIngestRoots)next.Services.GetRequiredService(typeof(IIngestRoots))).LeasedRoots().Count);
        await host.Client.AbortAsync(new AbortRequest { Ref = "closed" }, cancellationToken: Token);
        await host.Client.AbortAsync(new AbortRequest { Ref = "open" }, cancellationToken: Token);
        Assert.Empty(ingests.LeasedRoots());
    }

    /// <summary>containerd has one connection: an Info must not wait behind long Writes, and many commits in a row are no attack.</summary>
    [Fact]
    public async Task Many_streams_fit_on_one_connection()
    {
        using var store = new MemoryStore();
        await using ContentHost host = await ContentHost.StartAsync(store);
        Calls.Session[] sessions = [.. Enumerable.Range(0, 300).Select(_ => host.Client.Open())];
        await Task.WhenAll(sessions.Select((session, i) => session.SendAsync(Write("r" + i, 0, [(byte)i, (byte)(i >> 8)]))));
        await Calls.FailureAsync(
            async () => await host.Client.InfoAsync(new InfoRequest { Digest = Calls.DigestOf([]) }, cancellationToken: Token));
        await Task.WhenAll(
            sessions.Select(session => session.SendAsync(new WriteContentRequest { Action = WriteAction.Commit, Offset = 2 })));
        Assert.Equal(300, store.Contents.Enumerate().Count());
        Array.ForEach(sessions, session => session.Dispose());
    }

    [Fact]
    public async Task Labels_are_stored_and_updated()
    {
        using var store = new MemoryStore();
        await using ContentHost host = await ContentHost.StartAsync(store);
        string digest = await host.Client.CommitAsync(
            "r", [1], c => c.Labels.Add(new Dictionary<string, string> { ["a"] = "1", ["b/c.d"] = "2", ["none"] = "" }));
        Assert.Equal(new Dictionary<string, string> { ["a"] = "1", ["b/c.d"] = "2" }, await LabelsAsync(new UpdateRequest
        {
            Info = new Info { Digest = digest },
            UpdateMask = new FieldMask { Paths = { "labels.x" } },
        }));
        Assert.Equal(new Dictionary<string, string> { ["a"] = "3" }, await LabelsAsync(new UpdateRequest
        {
            Info = new Info { Digest = digest, Labels = { ["a"] = "3", ["y"] = "4" } },
            UpdateMask = new FieldMask { Paths = { "labels.a", "labels.b/c.d" } },
        }));
        Assert.Equal(new Dictionary<string, string> { ["z"] = "5" }, await LabelsAsync(
            new UpdateRequest { Info = new Info { Digest = digest, Labels = { ["z"] = "5" } } }));
        Assert.Single(await host.Client.ListAllAsync("labels.z==5", "labels.\"none\""));
        Assert.Empty(await host.Client.ListAllAsync("labels.a"));

        async Task<Dictionary<string, string>> LabelsAsync(UpdateRequest update)
        {
            await host.Client.UpdateAsync(update, cancellationToken: Token);
            return (await host.Client.InfoAsync(new InfoRequest { Digest = digest }, cancellationToken: Token)).Info.Labels.ToDictionary();
        }
    }

    [Fact]
    public async Task Contents_can_be_deleted_during_a_list()
    {
        using var store = new MemoryStore();
        await using ContentHost host = await ContentHost.StartAsync(store);
        const int Count = 450;
        for (int i = 0; i < Count; i++)
        {
            await host.Client.CommitAsync("r" + i, Calls.Bytes(10, i));
        }

        using AsyncServerStreamingCall<ListContentResponse> call = host.Client.List(new ListContentRequest(), cancellationToken: Token);
        int seen = 0;
        await foreach (ListContentResponse reply in call.ResponseStream.ReadAllAsync(Token))
        {
            Assert.InRange(reply.Info.Count, 1, 100);
            foreach (Info info in reply.Info)
            {
                await host.Client.DeleteAsync(new DeleteContentRequest { Digest = info.Digest }, cancellationToken: Token);
                seen++;
            }
        }

        Assert.Equal(Count, seen);
        Assert.Empty(store.Contents.Enumerate());
    }

    private static WriteContentRequest Write(string reference, long offset, byte[] data) =>
        new() { Action = WriteAction.Write, Ref = reference, Offset = offset, Data = ByteString.CopyFrom(data) };

    private static async Task AbortIfThereAsync(ContentHost host, string reference)
    {
        try
        {
            await host.Client.AbortAsync(new AbortRequest { Ref = reference }, cancellationToken: Token);
        }
        catch (RpcException e) when (e.StatusCode == StatusCode.NotFound)
        {
            // The first abort has removed it.
        }
    }
}
