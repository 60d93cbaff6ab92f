using System.Diagnostics;
using System.Reflection;
using Grpc.Core;
using Ipcs.Blockstore;
using Ipcs.Blockstore.Memory;
using Ipcs.ContentApi.Hosting;
using Ipcs.ContentApi.Reading;
using Ipcs.ContentApi.V1;
using Ipcs.ContentApi.Wire;
using Ipcs.Dag.Import;
using Ipcs.Dag.Read;
using Ipcs.Multiformats;

namespace Ipcs.ContentApi.Tests;

/// <summary>What a Read of 32 KiB costs, and what it leaves behind.</summary>
public sealed class ReadTests
{
    private const int Piece = 32 * 1024;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private static bool IsOptimized =>
        typeof(ReadHandler).Assembly.GetCustomAttribute<DebuggableAttribute>() is not { IsJITOptimizerDisabled: true };

    /// <summary>A reader that is in use when a look-up fails would keep its lease on the content for ever.</summary>
    [Fact]
    public async Task A_lookup_that_fails_after_the_last_byte_leaks_no_reader()
    {
        using var store = new BrokenStore();
        await using (ContentHost host = await ContentHost.StartAsync(store))
        {
            byte[] data = Calls.Bytes(100_000, 1);
            string digest = await host.Client.CommitAsync("r", data);

            // The record is in memory from here on: only a Read that asks the index again fails.
            await host.Client.InfoAsync(new InfoRequest { Digest = digest }, cancellationToken: Token);
            store.FailsLookups = true;
            Assert.Equal(data[..Piece], await host.Client.ReadAllAsync(digest, 0, Piece));
            store.FailsLookups = false;
        }

        Assert.Empty(LeasedRoots(store));
    }

    [Fact]
    public async Task A_read_asks_the_store_for_nothing_after_its_bytes_are_sent()
    {
        using var store = new BrokenStore();
        await using var readers = new ReaderCache(16);
        ReadHandler handler = Handler(store, readers);
        ContentRecord content = Import(store, Calls.Bytes(10 * Piece, 2));
        (int Index, int Blocks) lookups = default;
        var replies = new Replies(() =>
        {
            lookups = (store.Lookups, store.BlockLookups);
            return Task.CompletedTask;
        });
        await handler.RunAsync(Request(content, 0), replies, Token);
        Assert.Equal((store.Lookups, store.BlockLookups), lookups);
        Assert.Equal(Piece, replies.Bytes);

        // And a second Read of the same leaf asks it for nothing at all.
        await handler.RunAsync(Request(content, 1), replies, Token);
        Assert.Equal((store.Lookups, store.BlockLookups), lookups);
    }

    /// <summary>Above gRPC's own allocations. A build without optimization allocates the state of each async method.</summary>
    [Fact]
    public async Task A_read_of_32_kib_allocates_nothing()
    {
        using var store = new MemoryStore();
        await using var readers = new ReaderCache(16);
        ReadHandler handler = Handler(store, readers);
        ContentRecord content = Import(store, Calls.Bytes(8 * Piece, 3));
        ReadContentRequest request = Request(content, 3);
        var replies = new Replies();
        Read(200);
        const int Count = 1000;
        long before = GC.GetAllocatedBytesForCurrentThread();
        Read(Count);
        long perRead = (GC.GetAllocatedBytesForCurrentThread() - before) / Count;
        TestContext.Current.TestOutputHelper?.WriteLine($"{perRead} bytes per Read, optimized: {IsOptimized}");
        Assert.InRange(perRead, 0, IsOptimized ? 0 : 1536);

        void Read(int count)
        {
            for (int i = 0; i < count; i++)
            {
                Assert.True(handler.RunAsync(request, replies, CancellationToken.None).IsCompletedSuccessfully);
            }
        }
    }

    [Fact]
    public async Task A_reader_is_closed_when_its_content_was_deleted_during_the_read()
    {
        using var store = new MemoryStore();
        await using var readers = new ReaderCache(16);
        var catalog = new ContentCatalog(store);
        ReadHandler handler = Handler(store, readers, catalog);
        ContentRecord content = Import(store, Calls.Bytes(2 * Piece, 4));
        var deleting = new Replies(async () =>
        {
            catalog.Change(content.Digest, _ => null);
            await readers.RemoveAsync(content.Digest);
        });
        await handler.RunAsync(Request(content, 0), deleting, Token);
        Assert.Empty(LeasedRoots(store));
    }

    [Fact]
    public async Task Idle_readers_are_bounded_and_the_least_recently_used_is_closed()
    {
        using var store = new MemoryStore();
        await using var readers = new ReaderCache(2);
        ReadHandler handler = Handler(store, readers);
        ContentRecord[] contents = [.. Enumerable.Range(0, 4).Select(i => Import(store, Calls.Bytes(2 * Piece, 10 + i)))];
        foreach (ContentRecord content in contents)
        {
            await handler.RunAsync(Request(content, 0), new Replies(), Token);
        }

        Assert.Equal(contents[2..].Select(c => c.Root).ToHashSet(), LeasedRoots(store).ToHashSet());
    }

    private static ReadHandler Handler(IStore store, ReaderCache readers, ContentCatalog? catalog = null) =>
        new(store, catalog ?? new ContentCatalog(store), new NoFleet(store.Blocks), readers, new RecentReads(TimeProvider.System));

    private static ReadContentRequest Request(ContentRecord content, int piece) =>
        new() { Digest = content.Digest.ToString(), Offset = (long)piece * Piece, Size = Piece };

    private static ContentRecord Import(IStore store, byte[] data)
    {
        var importer = new DagImporter(store.Blocks, ImportProfile.KuboV1);
        importer.Write(data);
        DagRoot root = importer.Finish();
        var record = new ContentRecord
        {
            Digest = Digest.Sha256(data), Kind = ContentKind.Blob, Root = root.Root, Size = root.Size, Owned = true, Complete = true,
        };
        store.Contents.Put(record);
        return record;
    }

    private static IReadOnlyCollection<Cid> LeasedRoots(IStore store)
    {
        using IGcCycle collection = store.BeginCollection();
        return collection.LeasedRoots();
    }

    private sealed class Replies(Func<Task>? onMessage = null) : IServerStreamWriter<ReadReply>
    {
        public long Bytes { get; private set; }

        public WriteOptions? WriteOptions { get; set; }

        public Task WriteAsync(ReadReply message) => WriteAsync(message, CancellationToken.None);

        public Task WriteAsync(ReadReply message, CancellationToken cancellationToken)
        {
            Bytes += message.Data.Length;
            return onMessage?.Invoke() ?? Task.CompletedTask;
        }
    }
}
