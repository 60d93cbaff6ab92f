using Ipcs.Blockstore;
using Ipcs.Dag.Import;
using Ipcs.Fleet.Growing;
using Ipcs.Fleet.Resolve;
using Ipcs.Multiformats;
using Ipcs.TestKit;

namespace Ipcs.Fleet.Tests;

/// <summary>Fetches of contents that peers are getting themselves.</summary>
public sealed class GrowingFetchTests
{
    private const int Chunk = 256 << 10;

    private static readonly byte[] Bytes = Xs128.Bytes("growing", (20 * Chunk) + 5);

    private static readonly Digest Whole = Digest.Sha256(Bytes);

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_content_is_fetched_while_a_peer_is_getting_it()
    {
        await using FleetNode one = await FleetNode.StartAsync();
        await using FleetNode two = await FleetNode.StartAsync();
        await two.ConnectAsync(one);
        using var writer = new Writer(one);
        writer.Write(3 * Chunk);
        long seen = 0;
        Task<ContentRecord?> fetch = two.Fleet.FetchAsync(Whole, bytes => Interlocked.Exchange(ref seen, bytes), Cancel);
        await Until(() => Interlocked.Read(ref seen) == 3 * Chunk);
        writer.Write(9 * Chunk);
        await Until(() => Interlocked.Read(ref seen) == 12 * Chunk);
        Assert.False(fetch.IsCompleted);
        writer.Finish();

        ContentRecord content = Assert.IsType<ContentRecord>(await fetch);
        Assert.Equal((Whole, ContentKind.Blob, Bytes.Length, true), (content.Digest, content.Kind, content.Size, content.Complete));
        Assert.Equal(writer.Root, content.Root);
        Assert.Empty(Dag.Read.DagVerify.Missing(two.Store.Blocks, content.Root, Cancel));
    }

    [Fact]
    public async Task A_host_that_is_getting_a_content_from_a_peer_shares_it_too()
    {
        await using FleetNode one = await FleetNode.StartAsync();
        await using FleetNode two = await FleetNode.StartAsync();
        await using FleetNode three = await FleetNode.StartAsync();
        await two.ConnectAsync(one);
        await three.ConnectAsync(two);
        using var writer = new Writer(one);
        writer.Write(3 * Chunk);
        Task<ContentRecord?> fetch = await BeginAsync(two, 3 * Chunk);
        Task<ContentRecord?> next = three.Fleet.FetchAsync(Whole, _ => { }, Cancel);
        writer.Write(6 * Chunk);
        await Until(() => three.Store.Blocks.Has(Multihash.Sha256(Bytes.AsSpan(8 * Chunk, Chunk))));
        writer.Finish();
        Assert.Equal(writer.Root, (await fetch)?.Root);
        Assert.Equal(writer.Root, (await next)?.Root);
    }

    [Fact]
    public async Task Hosts_that_get_a_content_from_each_other_both_get_it()
    {
        await using FleetNode one = await FleetNode.StartAsync();
        await using FleetNode two = await FleetNode.StartAsync();
        await using FleetNode three = await FleetNode.StartAsync();
        await two.ConnectAsync(one);
        await three.ConnectAsync(one);
        await three.ConnectAsync(two);
        using var writer = new Writer(one);
        writer.Write(Chunk);
        Task<ContentRecord?> second = two.Fleet.FetchAsync(Whole, _ => { }, Cancel);
        Task<ContentRecord?> third = three.Fleet.FetchAsync(Whole, _ => { }, Cancel);
        for (int i = 1; i < 20; i++)
        {
            await Task.Delay(10, Cancel);
            writer.Write(Chunk);
        }

        writer.Finish();
        Assert.Equal(writer.Root, (await second)?.Root);
        Assert.Equal(writer.Root, (await third)?.Root);
    }

    [Fact]
    public async Task A_content_that_stops_growing_is_given_up_within_seconds()
    {
        await using FleetNode one = await FleetNode.StartAsync();
        await using FleetNode two = await FleetNode.StartAsync();
        await two.ConnectAsync(one);
        using var writer = new Writer(one);
        writer.Write(3 * Chunk);
        Assert.Null(await two.Fleet.FetchAsync(Whole, _ => { }, Cancel).WaitAsync(TimeSpan.FromSeconds(20), Cancel));
    }

    [Fact]
    public async Task A_content_whose_writer_leaves_is_given_up_at_once()
    {
        await using FleetNode one = await FleetNode.StartAsync();
        await using FleetNode two = await FleetNode.StartAsync();
        await two.ConnectAsync(one);
        var writer = new Writer(one);
        writer.Write(3 * Chunk);
        Task<ContentRecord?> fetch = await BeginAsync(two, 3 * Chunk);
        writer.Dispose();
        Assert.Null(await fetch);

        // The next one does not wait either, and when the peer has the whole after all it comes from there.
        Assert.Null(await two.Fleet.FetchAsync(Whole, _ => { }, Cancel));
        ContentRecord added = await one.AddAsync(Bytes);
        await Until(async () => (await two.Fleet.FetchAsync(Whole, _ => { }, Cancel))?.Root == added.Root);
    }

    [Fact]
    public async Task What_is_whole_in_the_meantime_is_fetched_under_its_root()
    {
        await using FleetNode one = await FleetNode.StartAsync();
        await using FleetNode two = await FleetNode.StartAsync();
        await two.ConnectAsync(one);
        var writer = new Writer(one);
        writer.Write(3 * Chunk);
        Task<ContentRecord?> fetch = await BeginAsync(two, 3 * Chunk);
        ContentRecord added = await one.AddAsync(Bytes);
        writer.Dispose();
        Assert.Equal(added.Root, (await fetch)?.Root);
    }

    [Fact]
    public async Task False_chunks_give_no_content_and_their_peer_is_not_followed_again()
    {
        await using FleetNode one = await FleetNode.StartAsync();
        await using FleetNode two = await FleetNode.StartAsync();
        await two.ConnectAsync(one);
        Digest other = Digest.Sha256("another content"u8);
        using (var liar = new Writer(one, Whole))
        {
            liar.Spoil = true;
            liar.Write(Bytes.Length);
            liar.Finish();
            Assert.Null(await two.Fleet.FetchAsync(Whole, _ => { }, Cancel));
        }

        Assert.Null(two.Store.Contents.Get(Whole));
        Assert.Contains(two.Host.Peers, p => p.Peer == one.Host.LocalPeer);
        using var writer = new Writer(one, other);
        writer.Write(3 * Chunk);
        long received = 0;
        Assert.Null(await two.Fleet.FetchAsync(other, bytes => received = bytes, Cancel));
        Assert.Equal(0, received);
    }

    [Fact]
    public async Task A_host_with_the_first_version_of_the_protocol_is_told_of_whole_contents_only()
    {
        await using FleetNode one = await FleetNode.StartAsync();
        await using FleetNode two = await FleetNode.StartAsync();
        await two.ConnectAsync(one);
        using var writer = new Writer(one);
        writer.Write(3 * Chunk);
        ContentRecord small = await one.AddAsync([1, 2, 3]);
        Assert.Equal((1, 1), await CountAsync(ResolveService.Protocol));
        Assert.Equal((1, 0), await CountAsync(ResolveService.FirstProtocol));

        async Task<(int Contents, int Growing)> CountAsync(string protocol)
        {
            await using Libp2p.PeerStream stream = await two.Host.OpenStreamAsync(one.Host.LocalPeer, [protocol], Cancel);
            ResolveQuestion[] questions = [new(Whole, 0), new(small.Digest, 0)];
            await Libp2p.LengthPrefixed.WriteMessageAsync(stream, ResolveWire.EncodeQuestion(questions), Cancel);
            using System.Buffers.IMemoryOwner<byte> answer =
                (await new Libp2p.LengthPrefixedReader(stream, ResolveWire.MaxLength).ReadAsync(Cancel))!;
            Assert.True(ResolveWire.TryDecodeAnswer(answer.Memory.Span, [Whole, small.Digest], out ResolveAnswer decoded));
            return (decoded.Contents.Count, decoded.Growing.Count);
        }
    }

    /// <summary>Starts a fetch, and waits until it has verified what is there.</summary>
    private static async Task<Task<ContentRecord?>> BeginAsync(FleetNode node, long there)
    {
        long seen = 0;
        Task<ContentRecord?> fetch = node.Fleet.FetchAsync(Whole, bytes => Interlocked.Exchange(ref seen, bytes), Cancel);
        await Until(() => Interlocked.Read(ref seen) == there);
        return fetch;
    }

    private static Task Until(Func<bool> condition) => Until(() => Task.FromResult(condition()));

    private static async Task Until(Func<Task<bool>> condition)
    {
        while (!await condition())
        {
            await Task.Delay(5, Cancel);
        }
    }

    /// <summary>A client that writes <see cref="Bytes"/> into a node, whose peers see the chunks.</summary>
    private sealed class Writer : IDisposable
    {
        private readonly GrowingContent _content;
        private readonly DagImporter _importer;
        private int _offset;

        public Writer(FleetNode node, Digest? digest = null)
        {
            _content = Assert.IsType<GrowingContent>(node.Fleet.BeginGrowing(digest ?? Whole, Bytes.Length));
            _importer = new DagImporter(node.Store.Blocks, ImportProfile.KuboV1) { LeafStored = leaf => _content.Add(leaf.Hash) };
        }

        public bool Spoil { get; set; }

        public Cid Root { get; private set; }

        public void Write(int length)
        {
            byte[] bytes = Bytes[_offset..(_offset + length)];
            bytes[0] ^= Spoil ? (byte)1 : (byte)0;
            _importer.Write(bytes);
            _offset += length;
            _content.Advance(_offset);
        }

        public void Finish()
        {
            if (_offset < Bytes.Length)
            {
                Write(Bytes.Length - _offset);
            }

            Root = _importer.Finish().Root;
            _content.Complete();
        }

        public void Dispose() => _content.Dispose();
    }
}
