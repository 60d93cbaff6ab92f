using System.Text.Json.Nodes;
using Ipcs.Blockstore;
using Ipcs.Blockstore.Memory;
using Ipcs.Dag;
using Ipcs.Multiformats;
using Ipcs.Oci.Containerd;
using Ipcs.TestKit;
using Microsoft.Extensions.Time.Testing;

namespace Ipcs.ControlApi.Tests;

public sealed class ContainerdCheckTests : IDisposable
{
    private readonly TempFolder _folder = new();
    private readonly MemoryStore _store = new();
    private readonly FakeTimeProvider _time = new();
    private readonly FakeRecords _containerd = new();
    private readonly Dictionary<Digest, byte[]> _fleet = [];
    private readonly ContentCatalog _catalog;
    private readonly ContainerdCheck _check;

    public ContainerdCheckTests()
    {
        _catalog = new ContentCatalog(_store);
        _check = new ContainerdCheck(_containerd, _store, _catalog, SearchAsync, FetchAsync, _time);
    }

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    public void Dispose()
    {
        _store.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public async Task What_both_have_is_no_difference()
    {
        _containerd.Record("default", Put([1, 2, 3]), 3);
        Assert.Empty((await _check.FindAsync(Stop)).Differences);
    }

    [Fact]
    public async Task A_content_without_a_record_is_missing_and_one_without_a_block_incomplete()
    {
        Digest missing = Digest.Sha256([1]), incomplete = Put([2]), lost = Put([3]);
        _catalog.Change(incomplete, record => record! with { Complete = false });
        _store.Blocks.Delete(lost.Hash);
        foreach (Digest digest in (Digest[])[missing, incomplete, lost])
        {
            _containerd.Record("default", digest, 1);
        }

        var differences = (await _check.FindAsync(Stop)).Differences.ToDictionary(d => d.Digest, d => d.Problem);
        Assert.Equal("missing", differences[missing]);
        Assert.Equal("incomplete", differences[incomplete]);
        Assert.Equal("incomplete", differences[lost]);
    }

    [Fact]
    public async Task A_block_with_other_bytes_is_damage_and_is_fetched_again()
    {
        byte[] bytes = [1, 2, 3];
        Digest digest = Put(bytes);
        _store.Blocks.Delete(digest.Hash);
        _store.Blocks.Put(digest.Hash, [1, 2, 4]);
        _containerd.Record("default", digest, 3);
        _fleet[digest] = bytes;
        ContentDifference found = Assert.Single((await _check.FindAsync(Stop)).Differences);
        Assert.Equal("damaged", found.Problem);
        Assert.Equal("fetched", Assert.Single(await _check.FixAsync([found], Stop)).Fix);
        Assert.Empty((await _check.FindAsync(Stop)).Differences);
    }

    [Fact]
    public async Task A_missing_content_is_fetched_from_the_fleet_and_is_containerds_again()
    {
        byte[] bytes = [1, 2, 3];
        Digest digest = Digest.Sha256(bytes);
        _fleet[digest] = bytes;
        _containerd.Record("default", digest, 3);
        ContentDifference fetched = Assert.Single(await FixAllAsync());
        Assert.Equal(("fetched", null), (fetched.Fix, fetched.Error));
        Assert.True(_store.Contents.Get(digest) is { Owned: true, Complete: true });
        Assert.Empty(_containerd.Dropped);
    }

    [Fact]
    public async Task What_nobody_has_is_dropped_in_every_namespace_and_here_first()
    {
        Digest digest = Put([1, 2, 3]);
        _catalog.Change(digest, record => record! with { Complete = false });
        _containerd.Record("default", digest, 3);
        _containerd.Record("k8s.io", digest, 3);
        _containerd.OnDrop = _ => Assert.Null(_store.Contents.Get(digest));
        Assert.Equal("dropped", Assert.Single(await FixAllAsync()).Fix);
        Assert.Equal(["default", "k8s.io"], _containerd.Dropped.Select(d => d.Space));
        Assert.Empty((await _check.FindAsync(Stop)).Differences);
    }

    [Fact]
    public async Task A_fetch_without_progress_ends_after_its_patience()
    {
        Digest digest = Digest.Sha256([1, 2, 3]);
        _fleet[digest] = [];
        _containerd.Record("default", digest, 3);
        Task<IReadOnlyList<ContentDifference>> fixing = FixAllAsync();
        while (!fixing.IsCompleted)
        {
            _time.Advance(ContainerdCheck.Patience / 10);
            await Task.Delay(1, Stop);
        }

        ContentDifference dropped = Assert.Single(await fixing);
        Assert.Equal("dropped", dropped.Fix);
        Assert.Contains("no peer sent a block of it for 30 s", dropped.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_record_that_containerd_does_not_drop_is_left_with_the_reason()
    {
        Digest digest = Digest.Sha256([1, 2, 3]);
        _containerd.Record("default", digest, 3);
        _containerd.OnDrop = _ => throw new ContainerdException("ipcs is not its content store");
        ContentDifference left = Assert.Single(await FixAllAsync());
        Assert.Equal((null, "ipcs is not its content store"), (left.Fix, left.Error));
    }

    [Fact]
    public async Task A_whole_content_that_is_not_containerds_here_becomes_so()
    {
        Digest digest = Put([1, 2, 3]);
        _catalog.Change(digest, record => record! with { Owned = false });
        _containerd.Record("default", digest, 3);
        ContentDifference owned = Assert.Single(await FixAllAsync());
        Assert.Equal(("unowned", "owned"), (owned.Problem, owned.Fix));
        Assert.True(_store.Contents.Get(digest)!.Owned);
    }

    [Fact]
    public async Task What_containerd_has_forgotten_is_released_when_it_is_old_enough()
    {
        Digest old = Put([1]);
        _time.Advance(ContainerdCheck.SettledAge);
        Digest recent = Put([2]);
        ContentDifference released = Assert.Single(await FixAllAsync());
        Assert.Equal((old, "unrecorded", "released"), (released.Digest, released.Problem, released.Fix));
        Assert.Null(_store.Contents.Get(old));
        Assert.True(_store.Contents.Get(recent)!.Owned);
    }

    [Fact]
    public async Task A_pinned_content_that_is_released_keeps_its_record()
    {
        Digest digest = Put([1]);
        _store.Pins.Put(new PinRecord(Cid.V1(Multicodec.Raw, digest.Hash), Recursive: true, Name: ""));
        _time.Advance(ContainerdCheck.SettledAge);
        Assert.Equal("released", Assert.Single(await FixAllAsync()).Fix);
        Assert.True(_store.Contents.Get(digest) is { Owned: false, Complete: true });
    }

    [Theory]
    [InlineData(2, 0)] // before it is reported
    [InlineData(3, 1)] // while it is released
    public async Task A_content_that_containerd_records_meanwhile_stays_its_own(int reading, int differences)
    {
        Digest digest = Put([1]);
        _time.Advance(ContainerdCheck.SettledAge);
        _containerd.OnRead = n =>
        {
            if (n == reading)
            {
                _containerd.Record("default", digest, 1);
            }
        };
        Assert.Equal(differences, (await FixAllAsync()).Count);
        Assert.True(_store.Contents.Get(digest) is { Owned: true, Complete: true });
    }

    [Fact]
    public async Task A_content_stays_owned_when_containerd_ends_while_it_is_released()
    {
        Digest digest = Put([1]);
        _time.Advance(ContainerdCheck.SettledAge);
        _containerd.OnRead = n =>
        {
            if (n == 3)
            {
                throw new ContainerdException("containerd is gone");
            }
        };
        await Assert.ThrowsAsync<ContainerdException>(FixAllAsync);
        Assert.True(_store.Contents.Get(digest)!.Owned);
    }

    [Fact]
    public async Task The_report_names_the_images_to_pull_and_ends_well_when_all_is_put_right()
    {
        Digest manifest = Put([1]), layer = Digest.Sha256([2]);
        _containerd.Record("default", manifest, 1, layer);
        _containerd.Record("default", layer, 7);
        _containerd.Images.Add(new RecordedImage("default", "example.org/a:v1", manifest));
        JsonNode[] lines = await ReportAsync("?fix=true");
        Assert.Equal(2, lines.Length);
        Assert.Equal(
            ("default", layer.ToString(), 7, "missing", "dropped"),
            ((string?)lines[0]["namespace"], (string?)lines[0]["digest"], (int)lines[0]["size"]!, (string?)lines[0]["problem"],
                (string?)lines[0]["fix"]));
        Assert.Equal("example.org/a:v1", (string?)lines[0]["images"]!.AsArray().Single());
        Assert.Equal("""
            {"contents":2,"namespaces":1,"differences":1,"left":0,"pull":[{"namespace":"default","image":"example.org/a:v1"}]}
            """, lines[1].ToJsonString());
    }

    [Fact]
    public async Task A_report_with_differences_ends_with_a_summary_and_an_error()
    {
        _containerd.Record("default", Digest.Sha256([2]), 7);
        File.WriteAllText(_folder["config.toml"], "discard_unpacked_layers = true");
        (var context, TestResponse response) = TestResponse.New($"?config={_folder["config.toml"]}");
        ApiException error = await Assert.ThrowsAsync<ApiException>(
            () => ContainerdCheckApi.ReportAsync(new ApiRequest(context), _check, _time));
        Assert.Equal("containerd and ipcs differ in 1 contents: run `ipcs containerd check --fix`", error.Message);
        JsonNode[] lines = Lines(response);
        Assert.Contains("discard_unpacked_layers", (string?)lines[0]["warning"], StringComparison.Ordinal);
        Assert.Equal((1, 1), ((int)lines[^1]["differences"]!, (int)lines[^1]["left"]!));
    }

    private static JsonNode[] Lines(TestResponse response) =>
        [.. response.Text.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => JsonNode.Parse(line)!)];

    private async Task<JsonNode[]> ReportAsync(string query)
    {
        (var context, TestResponse response) = TestResponse.New($"{query}&config={_folder["none"]}");
        File.WriteAllText(_folder["none"], "");
        await ContainerdCheckApi.ReportAsync(new ApiRequest(context), _check, _time);
        return Lines(response);
    }

    private async Task<IReadOnlyList<ContentDifference>> FixAllAsync() =>
        await _check.FixAsync((await _check.FindAsync(Stop)).Differences, Stop);

    /// <summary>Stores a content of one block as containerd's.</summary>
    private Digest Put(byte[] bytes)
    {
        Digest digest = Digest.Sha256(bytes);
        _store.Blocks.Put(digest.Hash, bytes);
        _store.Contents.Put(Record(digest, bytes.Length) with { Owned = true, Complete = true });
        return digest;
    }

    private ContentRecord Record(Digest digest, long size) => new()
    {
        Digest = digest,
        Kind = ContentKind.Blob,
        Root = Cid.V1(Multicodec.Raw, digest.Hash),
        Size = size,
        CreatedAt = _time.GetUtcNow(),
        UpdatedAt = _time.GetUtcNow(),
    };

    private Task<ContentRecord?> SearchAsync(Digest digest, CancellationToken cancellationToken) =>
        Task.FromResult(_fleet.TryGetValue(digest, out byte[]? bytes) ? Record(digest, bytes.Length) : null);

    /// <summary>Fetches a content; one without bytes never arrives.</summary>
    private async Task FetchAsync(Digest digest, CancellationToken cancellationToken)
    {
        if (!_fleet.TryGetValue(digest, out byte[]? bytes))
        {
            throw new ContentUnavailableException("no peer sends it");
        }

        if (bytes.Length == 0)
        {
            await Task.Delay(Timeout.Infinite, cancellationToken);
        }

        _store.Blocks.Put(digest.Hash, bytes);
        _catalog.Change(digest, record => record! with { Complete = true });
    }

    private sealed class FakeRecords : IContainerdRecords
    {
        private readonly List<RecordedContent> _contents = [];
        private int _reads;

        public List<RecordedImage> Images { get; } = [];

        public List<RecordedContent> Dropped { get; } = [];

        public Action<int>? OnRead { get; set; }

        public Action<RecordedContent>? OnDrop { get; set; }

        public void Record(string space, Digest digest, long size, params Digest[] children) =>
            _contents.Add(new RecordedContent(space, digest, size, children, []));

        public Task<Recorded> ReadAsync(CancellationToken cancellationToken)
        {
            OnRead?.Invoke(++_reads);
            return Task.FromResult(new Recorded { Spaces = 1, Contents = [.. _contents], Images = Images });
        }

        public Task DropAsync(RecordedContent content, CancellationToken cancellationToken)
        {
            OnDrop?.Invoke(content);
            _contents.Remove(content);
            Dropped.Add(content);
            return Task.CompletedTask;
        }
    }
}
