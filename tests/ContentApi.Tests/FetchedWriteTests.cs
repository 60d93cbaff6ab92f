using Google.Protobuf;
using Grpc.Core;
using Ipcs.Blockstore;
using Ipcs.Blockstore.Memory;
using Ipcs.ContentApi.Ingests;
using Ipcs.ContentApi.V1;
using Ipcs.Dag.Chunking;
using Ipcs.Dag.Import;
using Ipcs.Multiformats;
using Microsoft.Extensions.DependencyInjection;

namespace Ipcs.ContentApi.Tests;

/// <summary>
/// Writes whose content the fleet has: the second STAT waits for it, and the client commits without having asked the registry.
/// </summary>
public sealed class FetchedWriteTests : IAsyncLifetime
{
    private static readonly ImportProfile SmallChunks = ImportProfile.KuboV1 with { Name = "small", Chunker = ChunkerSpec.Size(1024) };

    private readonly MemoryStore _store = new();
    private readonly TaskCompletionSource<ContentRecord?> _fetch = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly byte[] _data = Calls.Bytes(5000, 21);
    private TestFleet _fleet = null!;
    private ContentHost _host = null!;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private Digest Digest => Digest.Sha256(_data);

    private string Ref => $"default/7/layer-{Digest}";

    public async ValueTask InitializeAsync()
    {
        _fleet = new TestFleet(_store);
        _fleet.Fetched[Digest] = _fetch.Task;
        _host = await ContentHost.StartAsync(_store, _fleet, SmallChunks);
    }

    public async ValueTask DisposeAsync()
    {
        await _host.DisposeAsync();
        _store.Dispose();
    }

    /// <summary>A client in containerd's process commits at the end, one behind its API at the offset of its first STAT.</summary>
    [Theory]
    [InlineData(0)]
    [InlineData(5000)]
    public async Task The_second_stat_waits_and_the_commit_takes_the_fetched_blocks(long commitAt)
    {
        using Calls.Session session = _host.Client.Open();
        Assert.Equal(0, (await session.SendAsync(Stat())).Offset);
        Assert.Empty(_fleet.Asked);
        Task<WriteContentResponse> held = session.SendAsync(new WriteContentRequest { Action = WriteAction.Stat });
        await WaitForFetchAsync();
        Assert.False(held.IsCompleted);
        int blocks = Arrive();
        WriteContentResponse full = await held;
        Assert.Equal((5000, 5000, Digest.ToString()), (full.Offset, full.Total, full.Digest));
        Assert.Equal(5000, (await session.SendAsync(new WriteContentRequest { Action = WriteAction.Stat })).Offset);
        WriteContentResponse done = await session.SendAsync(new WriteContentRequest
        {
            Action = WriteAction.Commit, Offset = commitAt, Total = 5000, Expected = Digest.ToString(), Labels = { ["a"] = "b" },
        });
        Assert.Equal((5000, Digest.ToString()), (done.Offset, done.Digest));
        await session.EndAsync();
        ContentRecord content = Assert.Single(_store.Contents.Enumerate());
        Assert.True(content is { Owned: true, Complete: true, Size: 5000 } && content.Labels["a"] == "b");
        Assert.Equal(_data, await _host.Client.ReadAllAsync(Digest.ToString()));
        Assert.Equal(blocks, _store.Blocks.Enumerate().Count());
        Assert.Empty(_store.Ingests.Enumerate());
        Assert.Equal(Digest, Assert.Single(_fleet.Asked));
    }

    [Fact]
    public async Task A_content_that_was_retained_is_owned_again()
    {
        _fetch.SetResult(Store(_data));
        _host.Services.GetRequiredService<ContentCatalog>().Change(Digest, there => there! with { Retained = true });
        using Calls.Session session = _host.Client.Open();
        await session.SendAsync(Stat());
        Assert.Equal(5000, (await session.SendAsync(new WriteContentRequest { Action = WriteAction.Stat })).Offset);
        await session.SendAsync(new WriteContentRequest { Action = WriteAction.Commit, Expected = Digest.ToString() });
        Assert.True(Assert.Single(_store.Contents.Enumerate()) is { Owned: true, Retained: false });
    }

    [Fact]
    public async Task What_the_fleet_cannot_give_is_written_by_the_client()
    {
        _fetch.SetResult(null);
        using Calls.Session session = _host.Client.Open();
        await session.SendAsync(Stat());
        WriteContentResponse empty = await session.SendAsync(new WriteContentRequest { Action = WriteAction.Stat });
        Assert.Equal((0, 5000, Calls.DigestOf([])), (empty.Offset, empty.Total, empty.Digest));
        await session.SendAsync(new WriteContentRequest { Action = WriteAction.Write, Data = ByteString.CopyFrom(_data) });
        await session.SendAsync(new WriteContentRequest { Action = WriteAction.Stat });
        await session.SendAsync(new WriteContentRequest { Action = WriteAction.Commit, Offset = 5000, Expected = Digest.ToString() });
        Assert.Equal(_data, await _host.Client.ReadAllAsync(Digest.ToString()));
        Assert.Single(_fleet.Asked);
    }

    /// <summary>A client may have begun to download before it looked at the offset.</summary>
    [Fact]
    public async Task A_client_that_writes_all_the_same_is_right_too()
    {
        Arrive();
        using Calls.Session session = _host.Client.Open();
        await session.SendAsync(Stat());
        Assert.Equal(5000, (await session.SendAsync(new WriteContentRequest { Action = WriteAction.Stat })).Offset);
        await session.SendAsync(new WriteContentRequest { Action = WriteAction.Write, Data = ByteString.CopyFrom(_data, 0, 3000) });
        await session.SendAsync(new WriteContentRequest
        {
            Action = WriteAction.Commit, Offset = 3000, Data = ByteString.CopyFrom(_data, 3000, 2000), Expected = Digest.ToString(),
        });
        Assert.Equal(_data, await _host.Client.ReadAllAsync(Digest.ToString()));
    }

    [Theory]
    [InlineData("default/7/upload-1", 5000, 0, 0)] // no digest
    [InlineData("layer-sha256:12", 5000, 0, 0)] // a malformed one
    [InlineData(null, 0, 0, 0)] // no size
    [InlineData(null, 5000, 100, 0)] // bytes are here already
    [InlineData(null, 5000, 0, 100)] // bytes were written
    public async Task Other_stats_do_not_wait(string? reference, long total, int before, int between)
    {
        reference ??= Ref;
        if (before > 0)
        {
            using Calls.Session first = _host.Client.Open();
            await first.SendAsync(new WriteContentRequest
            {
                Ref = reference, Action = WriteAction.Write, Total = total, Data = ByteString.CopyFrom(_data, 0, before),
            });
            await first.EndAsync();
        }

        using Calls.Session session = _host.Client.Open();
        await session.SendAsync(new WriteContentRequest { Ref = reference, Action = WriteAction.Stat, Total = total });
        if (between > 0)
        {
            await session.SendAsync(
                new WriteContentRequest { Action = WriteAction.Write, Data = ByteString.CopyFrom(_data, 0, between) });
        }

        Assert.Equal(before + between, (await session.SendAsync(new WriteContentRequest { Action = WriteAction.Stat })).Offset);
        Assert.Empty(_fleet.Asked);
    }

    [Fact]
    public async Task A_content_of_another_size_than_the_client_expects_is_not_used()
    {
        Arrive();
        using Calls.Session session = _host.Client.Open();
        await session.SendAsync(new WriteContentRequest { Ref = Ref, Action = WriteAction.Stat, Total = 5001 });
        Assert.Equal(0, (await session.SendAsync(new WriteContentRequest { Action = WriteAction.Stat })).Offset);
    }

    [Fact]
    public async Task A_content_that_is_lost_before_its_commit_is_unavailable()
    {
        Arrive();
        using Calls.Session session = _host.Client.Open();
        await session.SendAsync(Stat());
        await session.SendAsync(new WriteContentRequest { Action = WriteAction.Stat });
        _host.Services.GetRequiredService<ContentCatalog>().Change(Digest, there => there! with { Complete = false });
        Grpc.Core.Status lost = await Calls.FailureAsync(
            () => session.SendAsync(new WriteContentRequest { Action = WriteAction.Commit, Expected = Digest.ToString() }));
        Assert.Equal(StatusCode.Unavailable, lost.StatusCode);
        Assert.DoesNotContain(_store.Contents.Enumerate(), c => c.Owned);
    }

    [Theory]
    [InlineData(5000, true)]
    [InlineData(4999, false)]
    public async Task A_commit_of_something_else_fails(long total, bool otherDigest)
    {
        Arrive();
        using Calls.Session session = _host.Client.Open();
        await session.SendAsync(Stat());
        await session.SendAsync(new WriteContentRequest { Action = WriteAction.Stat });
        Grpc.Core.Status failed = await Calls.FailureAsync(() => session.SendAsync(new WriteContentRequest
        {
            Action = WriteAction.Commit, Offset = 5000, Total = total, Expected = otherDigest ? Calls.DigestOf([1]) : Digest.ToString(),
        }));
        Assert.Equal(StatusCode.FailedPrecondition, failed.StatusCode);
        Assert.DoesNotContain(_store.Contents.Enumerate(), c => c.Owned);
    }

    /// <summary>The wait of a locked reference would be spent with containerd's metadata locked.</summary>
    [Fact]
    public async Task A_second_client_is_refused_at_once_while_the_first_waits_for_the_fleet()
    {
        using Calls.Session first = _host.Client.Open();
        await first.SendAsync(Stat());
        Task<WriteContentResponse> held = first.SendAsync(new WriteContentRequest { Action = WriteAction.Stat });
        await WaitForFetchAsync();
        using (Calls.Session second = _host.Client.Open())
        {
            long started = System.Diagnostics.Stopwatch.GetTimestamp();
            Assert.Equal(StatusCode.Unavailable, (await Calls.FailureAsync(() => second.SendAsync(Stat()))).StatusCode);
            Assert.True(System.Diagnostics.Stopwatch.GetElapsedTime(started) < TimeSpan.FromMilliseconds(500));
        }

        Arrive();
        Assert.Equal(5000, (await held).Offset);
    }

    /// <summary>A second client that came before the wait, or while the first writes what the registry sends.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_second_client_that_waits_is_refused_with_the_next_request_of_the_first(bool isFetched)
    {
        if (!isFetched)
        {
            _fetch.SetResult(null);
        }

        using Calls.Session first = _host.Client.Open();
        await first.SendAsync(Stat());
        using Calls.Session second = _host.Client.Open();
        Task<Grpc.Core.Status> refused = Calls.FailureAsync(() => second.SendAsync(Stat()));
        while (!_host.Services.GetRequiredService<IngestRegistry>().IsAwaited(Ref))
        {
            await Task.Delay(1, Token);
        }

        long started = System.Diagnostics.Stopwatch.GetTimestamp();
        Task<WriteContentResponse> next = first.SendAsync(new WriteContentRequest { Action = WriteAction.Stat });
        Assert.Equal(StatusCode.Unavailable, (await refused).StatusCode);
        Assert.True(System.Diagnostics.Stopwatch.GetElapsedTime(started) < TimeSpan.FromMilliseconds(500));
        _fetch.TrySetResult(null);
        Assert.Equal(0, (await next).Offset);
    }

    [Fact]
    public async Task An_abort_ends_the_wait()
    {
        using Calls.Session session = _host.Client.Open();
        await session.SendAsync(Stat());
        Task<WriteContentResponse> held = session.SendAsync(new WriteContentRequest { Action = WriteAction.Stat });
        await WaitForFetchAsync();
        await _host.Client.AbortAsync(new AbortRequest { Ref = Ref }, cancellationToken: Token);
        Assert.Equal(StatusCode.Aborted, (await Calls.FailureAsync(() => held)).StatusCode);
        Assert.Empty((await _host.Client.ListStatusesAsync(new ListStatusesRequest(), cancellationToken: Token)).Statuses);
    }

    [Fact]
    public async Task A_client_that_leaves_ends_the_wait_and_the_next_one_gets_the_content()
    {
        Calls.Session first = _host.Client.Open();
        await first.SendAsync(Stat());
        Task<WriteContentResponse> held = first.SendAsync(new WriteContentRequest { Action = WriteAction.Stat });
        await WaitForFetchAsync();
        first.Dispose();
        await Calls.FailureAsync(() => held);
        Arrive();
        while (true)
        {
            using Calls.Session second = _host.Client.Open();
            try
            {
                await second.SendAsync(Stat());
                Assert.Equal(5000, (await second.SendAsync(new WriteContentRequest { Action = WriteAction.Stat })).Offset);
                return;
            }
            catch (RpcException e) when (e.StatusCode == StatusCode.Unavailable)
            {
                // The daemon has not yet seen that the first client left.
            }
        }
    }

    [Fact]
    public async Task Status_shows_how_much_the_fleet_has_sent_and_never_a_stat()
    {
        using Calls.Session session = _host.Client.Open();
        await session.SendAsync(new WriteContentRequest { Ref = Ref, Action = WriteAction.Stat, Total = 9 << 20 });
        Task<WriteContentResponse> held = session.SendAsync(new WriteContentRequest { Action = WriteAction.Stat });
        await WaitForFetchAsync();
        var request = new StatusRequest { Ref = Ref };
        _fleet.Progress(1000);
        Assert.Equal(0, (await _host.Client.StatusAsync(request, cancellationToken: Token)).Status.Offset);
        _fleet.Progress(3 << 20);
        Assert.Equal(3 << 20, (await _host.Client.StatusAsync(request, cancellationToken: Token)).Status.Offset);
        _fetch.SetResult(null);
        Assert.Equal(0, (await held).Offset);
        _fleet.Progress(5 << 20);
        Assert.Equal(0, (await _host.Client.StatusAsync(request, cancellationToken: Token)).Status.Offset);
    }

    [Fact]
    public async Task A_fetched_manifest_is_looked_into_when_it_is_committed()
    {
        string layer = Calls.DigestOf([7]);
        byte[] manifest = System.Text.Encoding.UTF8.GetBytes($"{{\"layers\":[{{\"digest\":\"{layer}\",\"size\":1}}]}}");
        _fleet.Fetched[Digest.Sha256(manifest)] = Task.FromResult<ContentRecord?>(Store(manifest));
        using Calls.Session session = _host.Client.Open();
        await session.SendAsync(new WriteContentRequest
        {
            Ref = $"manifest-{Calls.DigestOf(manifest)}", Action = WriteAction.Stat, Total = manifest.Length,
        });
        await session.SendAsync(new WriteContentRequest { Action = WriteAction.Stat });
        await session.SendAsync(new WriteContentRequest { Action = WriteAction.Commit, Expected = Calls.DigestOf(manifest) });
        await session.EndAsync();
        Assert.Equal(layer, Assert.Single(_fleet.Ahead).ToString());
    }

    private WriteContentRequest Stat() => new() { Ref = Ref, Action = WriteAction.Stat, Total = 5000 };

    private async Task WaitForFetchAsync()
    {
        while (_fleet.Asked.IsEmpty)
        {
            await Task.Delay(1, Token);
        }
    }

    /// <summary>The fleet has sent the content. Returns the number of blocks in the store.</summary>
    private int Arrive()
    {
        _fetch.TrySetResult(Store(_data));
        return _store.Blocks.Enumerate().Count();
    }

    private ContentRecord Store(byte[] data)
    {
        var importer = new DagImporter(_store.Blocks, SmallChunks);
        importer.Write(data);
        DagRoot root = importer.Finish();
        var record = new ContentRecord
        {
            Digest = Digest.Sha256(data), Kind = ContentKind.Blob, Root = root.Root, Size = root.Size, Complete = true,
        };
        _store.Contents.Put(record);
        return record;
    }
}
