using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Ipcs.Blockstore.Memory;
using Ipcs.ContentApi.V1;

namespace Ipcs.ContentApi.Tests;

/// <summary>The status codes of malformed and impossible requests.</summary>
public sealed class IllFormedTests : IAsyncLifetime
{
    private const string Absent = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    private static readonly string[] BadDigests =
    [
        "", "sha256", "sha256:", ":", "sha256:abc", "md5:d41d8cd98f00b204e9800998ecf8427e", "SHA256:" + Absent[7..],
        "sha256:" + Absent[7..].ToUpperInvariant(),
        Absent + "0", Absent[..^1], " " + Absent, Absent + "\n", "sha512:" + Absent[7..], "sha256:" + new string('g', 64),
        new string('a', 100_000), "sha256:../../etc/passwd",
    ];

    private static readonly string[] BadFilters =
    [
        "==", "digest=", "digest=a", "digest==", "digest===a", "digest==a,", ",", "labels.", ".labels", "labels..a", "labels.\"a",
        "digest==\"a", "digest!a", "digest==a b",
        "digest~=[", "digest~=\"(\"", "labels.\"\\q\"==a", "digest==\"\\x0\"", "-", "digest<=a", new string('a', 20_000),
        "digest==\"a\nb\"",
    ];

    private readonly MemoryStore _store = new();
    private ContentHost _host = null!;

    private delegate Task Call(Content.ContentClient client);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => _host = await ContentHost.StartAsync(_store);

    public async ValueTask DisposeAsync()
    {
        await _host.DisposeAsync();
        _store.Dispose();
    }

    [Fact]
    public async Task A_malformed_digest_is_an_invalid_argument()
    {
        foreach (string digest in BadDigests)
        {
            await FailsAsync(StatusCode.InvalidArgument, digest,
                async c => await c.InfoAsync(new InfoRequest { Digest = digest }, cancellationToken: Token),
                async c => await c.DeleteAsync(new DeleteContentRequest { Digest = digest }, cancellationToken: Token),
                async c => await c.UpdateAsync(new UpdateRequest { Info = new Info { Digest = digest } }, cancellationToken: Token),
                async c => await c.ReadAllAsync(digest));
            if (digest.Length > 0)
            {
                await FailsAsync(StatusCode.InvalidArgument, digest,
                    c => FirstAsync(c, new WriteContentRequest { Ref = "r", Expected = digest }),
                    c => SecondAsync(c, new WriteContentRequest { Action = WriteAction.Commit, Expected = digest }));
            }
        }
    }

    [Fact]
    public Task An_absent_content_or_reference_is_not_found() => FailsAsync(StatusCode.NotFound, "absent",
        async c => await c.InfoAsync(new InfoRequest { Digest = Absent }, cancellationToken: Token),
        async c => await c.DeleteAsync(new DeleteContentRequest { Digest = Absent }, cancellationToken: Token),
        async c => await c.UpdateAsync(new UpdateRequest { Info = new Info { Digest = Absent } }, cancellationToken: Token),
        async c => await c.ReadAllAsync(Absent),
        async c => await c.StatusAsync(new StatusRequest { Ref = "absent" }, cancellationToken: Token),
        async c => await c.AbortAsync(new AbortRequest { Ref = "absent" }, cancellationToken: Token));

    [Fact]
    public Task An_empty_reference_is_an_invalid_argument() => FailsAsync(StatusCode.InvalidArgument, "an empty reference",
        async c => await c.StatusAsync(new StatusRequest(), cancellationToken: Token),
        async c => await c.AbortAsync(new AbortRequest(), cancellationToken: Token),
        c => FirstAsync(c, new WriteContentRequest { Action = WriteAction.Stat }),
        c => FirstAsync(c, new WriteContentRequest { Action = WriteAction.Write, Data = ByteString.CopyFromUtf8("x") }),
        c => FirstAsync(c, new WriteContentRequest { Action = WriteAction.Commit }),
        async c =>
        {
            using Calls.Session session = c.Open();
            await session.EndAsync();
        });

    [Fact]
    public async Task Writes_out_of_bounds_are_refused()
    {
        await FailsAsync(StatusCode.InvalidArgument, "a write's numbers",
            c => FirstAsync(c, new WriteContentRequest { Ref = new string('r', 4097) }),
            c => FirstAsync(c, new WriteContentRequest { Ref = "r", Total = -1 }),
            c => FirstAsync(c, new WriteContentRequest { Ref = "r", Action = (WriteAction)7 }),
            c => FirstAsync(c, new WriteContentRequest { Ref = "r", Action = (WriteAction)(-1) }),
            c => SecondAsync(c, new WriteContentRequest { Ref = "another" }),
            c => SecondAsync(c, new WriteContentRequest { Action = WriteAction.Write, Total = long.MinValue, Offset = 4 }),
            c => SecondAsync(
                c, new WriteContentRequest { Action = WriteAction.Commit, Offset = 4, Labels = { ["a"] = new string('x', 4096) } }),
            c => SecondAsync(
                c, new WriteContentRequest { Action = WriteAction.Commit, Offset = 4, Labels = { [new string('x', 4097)] = "" } }));
        await FailsAsync(StatusCode.OutOfRange, "a write's offset",
            c => FirstAsync(
                c, new WriteContentRequest { Ref = "r", Action = WriteAction.Write, Offset = 1, Data = ByteString.CopyFromUtf8("x") }),
            c => SecondAsync(c, new WriteContentRequest { Action = WriteAction.Write, Offset = 3, Data = ByteString.CopyFromUtf8("x") }),
            c => SecondAsync(c, new WriteContentRequest { Action = WriteAction.Write, Offset = 5, Data = ByteString.CopyFromUtf8("x") }),
            c => SecondAsync(c, new WriteContentRequest { Action = WriteAction.Write, Offset = -1, Data = ByteString.CopyFromUtf8("x") }),
            c => SecondAsync(c, new WriteContentRequest { Action = WriteAction.Write, Offset = long.MaxValue }),
            c => SecondAsync(c, new WriteContentRequest { Action = WriteAction.Commit, Offset = 5 }));
        await FailsAsync(StatusCode.FailedPrecondition, "a commit's expectations",
            c => SecondAsync(c, new WriteContentRequest { Action = WriteAction.Commit, Offset = 4, Total = 3 }),
            c => SecondAsync(c, new WriteContentRequest { Action = WriteAction.Commit, Offset = 4, Total = 5 }),
            c => SecondAsync(c, new WriteContentRequest { Action = WriteAction.Commit, Offset = 4, Expected = Absent }),
            c => SecondAsync(
                c, new WriteContentRequest { Action = WriteAction.Commit, Offset = 4, Expected = "sha512:" + new string('0', 128) }));
    }

    [Fact]
    public async Task Reads_out_of_bounds_are_refused()
    {
        string digest = await _host.Client.CommitAsync("content", "0123456789"u8.ToArray());
        await FailsAsync(StatusCode.InvalidArgument, "a negative number",
            async c => await c.ReadAllAsync(digest, offset: -1),
            async c => await c.ReadAllAsync(digest, size: -1),
            async c => await c.ReadAllAsync(digest, long.MinValue, long.MinValue));
        await FailsAsync(StatusCode.OutOfRange, "past the end",
            async c => await c.ReadAllAsync(digest, offset: 11),
            async c => await c.ReadAllAsync(digest, offset: long.MaxValue, size: long.MaxValue));
        Assert.Empty(await _host.Client.ReadAllAsync(digest, offset: 10));
        Assert.Equal("89"u8.ToArray(), await _host.Client.ReadAllAsync(digest, offset: 8, size: long.MaxValue));
        Assert.Equal("0"u8.ToArray(), await _host.Client.ReadAllAsync(digest, size: 1));
    }

    [Fact]
    public async Task A_malformed_filter_is_an_invalid_argument()
    {
        foreach (string filter in BadFilters)
        {
            await FailsAsync(StatusCode.InvalidArgument, filter.Length > 40 ? "a long filter" : filter,
                async c => await c.ListAllAsync(filter),
                async c => await c.ListAllAsync("digest==a", filter),
                async c => await c.ListStatusesAsync(new ListStatusesRequest { Filters = { filter } }, cancellationToken: Token));
        }

        await FailsAsync(
            StatusCode.InvalidArgument, "many filters", async c => await c.ListAllAsync([.. Enumerable.Repeat("digest==a", 1000)]));
    }

    [Fact]
    public async Task Updates_of_other_fields_are_refused()
    {
        string digest = await _host.Client.CommitAsync("content", "updated"u8.ToArray());
        foreach (string path in (string[])["size", "digest", "created_at", "label", "labelsx.a", "", new string('x', 10_000)])
        {
            await FailsAsync(StatusCode.InvalidArgument, path, async c => await c.UpdateAsync(
                new UpdateRequest { Info = new Info { Digest = digest }, UpdateMask = new FieldMask { Paths = { path } } },
                cancellationToken: Token));
        }

        await FailsAsync(StatusCode.InvalidArgument, "a long label", async c => await c.UpdateAsync(
            new UpdateRequest { Info = new Info { Digest = digest, Labels = { ["k"] = new string('v', 4096) } } },
            cancellationToken: Token));
        await FailsAsync(
            StatusCode.InvalidArgument, "nothing", async c => await c.UpdateAsync(new UpdateRequest(), cancellationToken: Token));
    }

    [Fact]
    public async Task A_message_over_the_bound_is_refused()
    {
        ByteString tooLong = ByteString.CopyFrom(new byte[ContentApiExtensions.MaxMessageLength + 1]);
        var huge = new WriteContentRequest { Ref = "huge", Action = WriteAction.Write, Data = tooLong };
        await FailsAsync(StatusCode.ResourceExhausted, "17 MiB", c => FirstAsync(c, huge));

        // A message just below the bound is accepted.
        byte[] data = Calls.Bytes(ContentApiExtensions.MaxMessageLength - 1024, 1);
        Assert.Equal(Calls.DigestOf(data), await _host.Client.CommitAsync("long", data));
        Assert.Equal(data, await _host.Client.ReadAllAsync(Calls.DigestOf(data)));
    }

    private static async Task FirstAsync(Content.ContentClient client, WriteContentRequest request)
    {
        using Calls.Session session = client.Open();
        await session.SendAsync(request);
    }

    /// <summary>Sends a request as the second of a session whose first has written four bytes.</summary>
    private static async Task SecondAsync(Content.ContentClient client, WriteContentRequest request)
    {
        using Calls.Session session = client.Open();
        await session.SendAsync(
            new WriteContentRequest { Ref = "r-" + Guid.NewGuid(), Action = WriteAction.Write, Data = ByteString.CopyFromUtf8("four") });
        await session.SendAsync(request);
    }

    private async Task FailsAsync(StatusCode expected, string what, params Call[] calls)
    {
        for (int i = 0; i < calls.Length; i++)
        {
            Grpc.Core.Status status = await Calls.FailureAsync(() => calls[i](_host.Client));
            Assert.True(status.StatusCode == expected, $"{what}, call {i}: {status.StatusCode} ({status.Detail}) and not {expected}");
            Assert.InRange(status.Detail.Length, 1, 1000);
        }
    }
}
