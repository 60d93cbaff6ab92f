using Google.Protobuf;
using Grpc.Core;
using Ipcs.Blockstore.Memory;
using Ipcs.ContentApi.V1;
using Ipcs.Dag.Chunking;
using Ipcs.Dag.Import;
using Ipcs.Multiformats;

namespace Ipcs.ContentApi.Tests;

/// <summary>Writes of contents whose digest and size are known from the start: peers see the chunks that are stored.</summary>
public sealed class GrowingWriteTests : IAsyncLifetime
{
    private static readonly ImportProfile SmallChunks = ImportProfile.KuboV1 with { Name = "small", Chunker = ChunkerSpec.Size(1024) };

    private readonly MemoryStore _store = new();
    private readonly byte[] _data = Calls.Bytes(5000, 22);
    private TestFleet _fleet = null!;
    private ContentHost _host = null!;

    private Digest Digest => Digest.Sha256(_data);

    private string Ref => $"default/7/layer-{Digest}";

    public async ValueTask InitializeAsync()
    {
        _fleet = new TestFleet(_store);
        _host = await ContentHost.StartAsync(_store, _fleet, SmallChunks);
    }

    public async ValueTask DisposeAsync()
    {
        await _host.DisposeAsync();
        _store.Dispose();
    }

    [Fact]
    public async Task Each_stored_chunk_is_shared_and_the_commit_makes_the_content_whole()
    {
        using Calls.Session session = await BeginAsync();
        await WriteAsync(session, 0, 2500);
        TestFleet.Growing shared = Assert.Single(_fleet.Shared);
        Assert.Equal((Digest, 5000, 2500), (shared.Digest, shared.Size, shared.Written));
        Assert.Equal(Chunks(2), shared.Chunks);
        await WriteAsync(session, 2500, 2500);
        Assert.Equal(Chunks(4), shared.Chunks);
        Assert.False(shared.IsWhole);
        await session.SendAsync(new WriteContentRequest { Action = WriteAction.Commit, Offset = 5000, Expected = Digest.ToString() });
        await session.EndAsync();
        Assert.Equal(Chunks(5), shared.Chunks);
        Assert.True(shared.IsWhole && shared.IsOver);
    }

    [Fact]
    public async Task Peers_know_of_a_content_when_its_client_turns_to_the_registry()
    {
        using Calls.Session session = await BeginAsync();
        Assert.Empty(_fleet.Shared);
        await session.SendAsync(new WriteContentRequest { Action = WriteAction.Stat });
        Assert.Equal(0, Assert.Single(_fleet.Shared).Written);
        await WriteAsync(session, 0, 2500);
        Assert.Equal(Chunks(2), Assert.Single(_fleet.Shared).Chunks);
    }

    [Fact]
    public async Task A_write_that_is_resumed_shares_what_was_stored_before()
    {
        using (Calls.Session first = await BeginAsync())
        {
            await WriteAsync(first, 0, 2500);
            await first.EndAsync();
        }

        Assert.True(Assert.Single(_fleet.Shared) is { IsOver: true, IsWhole: false });
        await _host.DisposeAsync();
        _host = await ContentHost.StartAsync(_store, _fleet, SmallChunks);
        using Calls.Session session = await BeginAsync();
        await WriteAsync(session, 2500, 1000);
        TestFleet.Growing shared = _fleet.Shared.Last();
        Assert.Equal(2, _fleet.Shared.Count);
        Assert.Equal(Chunks(3), shared.Chunks);
        Assert.Equal(3500, shared.Written);
    }

    [Fact]
    public async Task A_write_that_starts_over_is_shared_from_its_start()
    {
        using Calls.Session session = await BeginAsync();
        await WriteAsync(session, 0, 2500);
        await WriteAsync(session, 0, 1500);
        Assert.Equal([true, false], _fleet.Shared.Select(s => s.IsOver));
        Assert.Equal(Chunks(1), _fleet.Shared.Last().Chunks);
    }

    [Fact]
    public async Task Bytes_that_are_not_those_of_the_digest_do_not_become_whole()
    {
        using Calls.Session session = await BeginAsync();
        await session.SendAsync(new WriteContentRequest { Action = WriteAction.Write, Data = ByteString.CopyFrom(new byte[5000]) });
        RpcException error = await Assert.ThrowsAsync<RpcException>(() => session.SendAsync(
            new WriteContentRequest { Action = WriteAction.Commit, Offset = 5000, Expected = Digest.ToString() }));
        Assert.Equal(StatusCode.FailedPrecondition, error.StatusCode);
        while (!_fleet.Shared.Single().IsOver)
        {
            await Task.Delay(1, TestContext.Current.CancellationToken);
        }

        Assert.False(_fleet.Shared.Single().IsWhole);
    }

    [Fact]
    public async Task Without_a_digest_or_a_size_nothing_is_shared()
    {
        foreach ((string reference, long total) in new[] { ("a", 5000L), (Ref, 0L) })
        {
            using Calls.Session session = _host.Client.Open();
            await session.SendAsync(new WriteContentRequest { Action = WriteAction.Stat, Ref = reference, Total = total });
            await WriteAsync(session, 0, 2500);
            await session.EndAsync();
        }

        Assert.Empty(_fleet.Shared);
    }

    private async Task<Calls.Session> BeginAsync()
    {
        Calls.Session session = _host.Client.Open();
        await session.SendAsync(new WriteContentRequest { Action = WriteAction.Stat, Ref = Ref, Total = 5000 });
        return session;
    }

    private Task<WriteContentResponse> WriteAsync(Calls.Session session, int offset, int length) => session.SendAsync(
        new WriteContentRequest { Action = WriteAction.Write, Offset = offset, Data = ByteString.CopyFrom(_data, offset, length) });

    private IEnumerable<Cid> Chunks(int count) =>
        _data.Chunk(1024).Take(count).Select(chunk => Cid.V1(Multicodec.Raw, Multihash.Sha256(chunk)));
}
