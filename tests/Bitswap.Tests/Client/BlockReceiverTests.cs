using System.Buffers;
using Ipcs.Bitswap.Client;
using Ipcs.Bitswap.Wire;
using Ipcs.Blockstore;
using Ipcs.Blockstore.Memory;
using Ipcs.Multiformats;
using Ipcs.TestKit;
using Microsoft.Extensions.Time.Testing;

namespace Ipcs.Bitswap.Tests.Client;

/// <summary>Which blocks of a message are stored and counted.</summary>
public sealed class BlockReceiverTests : IAsyncDisposable
{
    private static readonly PeerId Peer = Simulation.PeerOf(1);

    private readonly MemoryStore _store = new();
    private readonly BitswapMeter _meter = new(() => throw new InvalidOperationException("nobody looks"));
    private readonly List<(PeerId Peer, WantEntry Entry)> _sent = [];
    private readonly List<Multihash> _announced = [];
    private readonly FakeTimeProvider _time = new();
    private int _runs;

    [Fact]
    public async Task Small_blocks_of_a_message_are_stored_as_one_group()
    {
        await using WantManager wants = NewManager(_store.Blocks);
        BlockReceiver receiver = NewReceiver(_store.Blocks, wants);
        (BlockEntry[] blocks, BitswapSession session) = Want(wants, count: 15, length: 5000);
        _runs = 0;
        Assert.Equal(75_000, receiver.Take(Peer, Message(blocks)));
        Assert.Equal(blocks.Select(Result), Come(session));
        Assert.Equal((15, 75_000, 0, 0), (receiver.Blocks, receiver.Bytes, receiver.DuplicateBlocks, _runs));
        Assert.Equal([.. blocks.Select(b => Multihash.Sha256(b.Data.Span))], _announced);
        _time.Advance(TimeSpan.FromMilliseconds(100));
        Assert.Equal((15, 1), (_sent.Count(s => s.Entry.Cancel), _runs));
        Assert.Equal(75_000, receiver.Take(Peer, Message(blocks)));
        Assert.Equal((15, 15, 75_000), (receiver.Blocks, receiver.DuplicateBlocks, receiver.DuplicateBytes));
    }

    [Fact]
    public async Task A_false_block_is_neither_stored_nor_counted()
    {
        await using WantManager wants = NewManager(_store.Blocks);
        BlockReceiver receiver = NewReceiver(_store.Blocks, wants);
        (BlockEntry[] blocks, _) = Want(wants, count: 3, length: 300_000);
        BlockEntry wrong = Entry(Xs128.Bytes("wrong", 5000));
        InvalidDataException e = Assert.Throws<InvalidDataException>(
            () => receiver.Take(Peer, Message(blocks[0], blocks[1], blocks[2], wrong)));
        Assert.Contains("never asked of this peer", e.Message, StringComparison.Ordinal);

        // The first two were one group, which is stored; the third was in the group of the false block.
        Assert.Equal((2, 600_000), (receiver.Blocks, receiver.Bytes));
        Assert.Equal(
            [true, true, false, false],
            ((BlockEntry[])[.. blocks, wrong]).Select(b => _store.Blocks.Has(Multihash.Sha256(b.Data.Span))));
    }

    [Fact]
    public async Task Blocks_stored_before_the_disk_was_full_are_received()
    {
        var store = new FullStore(_store.Blocks, room: 2);
        await using WantManager wants = NewManager(store);
        BlockReceiver receiver = NewReceiver(store, wants);
        (BlockEntry[] blocks, BitswapSession session) = Want(wants, count: 4, length: 70_000);
        Assert.Throws<StoreException>(() => receiver.Take(Peer, Message(blocks)));
        Assert.Equal(blocks[..2].Select(Result), Come(session));
        Assert.Equal(2, receiver.Blocks);
        Assert.Equal(2, wants.Count);
    }

    [Fact]
    public async Task Of_two_copies_that_are_stored_at_once_one_is_a_duplicate()
    {
        var store = new NestedStore(_store.Blocks);
        await using WantManager wants = NewManager(store);
        BlockReceiver receiver = NewReceiver(store, wants);
        (BlockEntry[] blocks, _) = Want(wants, count: 1, length: 300_000);
        store.OnPut = () => receiver.Take(Peer, Message(blocks));
        receiver.Take(Peer, Message(blocks));
        Assert.Equal((1, 300_000, 1, 300_000), (receiver.Blocks, receiver.Bytes, receiver.DuplicateBlocks, receiver.DuplicateBytes));
    }

    [Fact]
    public async Task A_session_that_shares_blocks_gets_their_bytes_up_to_a_limit()
    {
        await using WantManager wants = NewManager(_store.Blocks);
        BlockReceiver receiver = NewReceiver(_store.Blocks, wants);
        var sharing = new BlockSharing(2);
        (BlockEntry[] blocks, BitswapSession session) = Want(wants, count: 3, length: 5000, sharing);
        var piece = new MessagePiece(3 * 5000, begins: true);
        BlockEntry[] received = [.. blocks.Select(b =>
        {
            Memory<byte> place = piece.Extend(b.Data.Length);
            b.Data.CopyTo(place);
            return b with { Data = place };
        })];
        receiver.Take(Peer, Message(received), piece);
        piece.Dispose();
        List<PrefetchResult> come = Come(session);
        Assert.Equal([true, true, false], come.Select(r => r.Block is not null));
        Assert.Equal(2, sharing.Count);
        for (int i = 0; i < 2; i++)
        {
            Assert.Equal(blocks[i].Data.ToArray(), come[i].Block!.Memory.ToArray());
            come[i].Block!.Dispose();
        }

        Assert.Equal(0, sharing.Count);
        Assert.Throws<ObjectDisposedException>(() => come[0].Block!.Memory);
    }

    [Fact]
    public async Task Bytes_of_results_that_were_not_read_are_released_with_the_session()
    {
        await using WantManager wants = NewManager(_store.Blocks);
        BlockReceiver receiver = NewReceiver(_store.Blocks, wants);
        var sharing = new BlockSharing(2);
        (BlockEntry[] blocks, BitswapSession session) = Want(wants, count: 1, length: 5000, sharing);
        using var piece = new MessagePiece(5000, begins: true);
        Memory<byte> place = piece.Extend(5000);
        blocks[0].Data.CopyTo(place);
        receiver.Take(Peer, Message(blocks[0] with { Data = place }), piece);
        Assert.Equal(1, sharing.Count);
        await session.DisposeAsync();
        Assert.Equal(0, sharing.Count);
    }

    public ValueTask DisposeAsync()
    {
        _meter.Dispose();
        return ValueTask.CompletedTask;
    }

    private static BlockEntry Entry(byte[] block) => new(1, Multicodec.Raw, Multihash.Sha2_256, block);

    private static BitswapMessage Message(params BlockEntry[] blocks)
    {
        var message = new BitswapMessage();
        message.Blocks.AddRange(blocks);
        return message;
    }

    private WantManager NewManager(IBlockstore store) => new(
        Simulation.PeerOf(0),
        store,
        new BitswapOptions(),
        entries =>
        {
            _runs++;
            _sent.AddRange(entries);
        },
        () => false,
        _meter,
        _time);

    private static Cid CidOf(BlockEntry block) => Cid.V1(Multicodec.Raw, Multihash.Sha256(block.Data.Span));

    private static PrefetchResult Result(BlockEntry block) => new(CidOf(block), IsLeaf: IsLeaf(block.Data.Span));

    private static bool IsLeaf(ReadOnlySpan<byte> block) => block[0] % 2 == 0;

    private static List<PrefetchResult> Come(BitswapSession session)
    {
        var come = new List<PrefetchResult>();
        while (session.Results.TryRead(out PrefetchResult block))
        {
            come.Add(block);
        }

        return come;
    }

    private BlockReceiver NewReceiver(IBlockstore store, WantManager wants) => new(store, wants, IsLeaf, (hash, _) => _announced.Add(hash));

    private (BlockEntry[] Blocks, BitswapSession Session) Want(
        WantManager wants, int count, int length, BlockSharing? sharing = null)
    {
        BlockEntry[] blocks = [.. Enumerable.Range(0, count).Select(i => Entry(Xs128.Bytes($"block-{i}", length)))];
        var session = new BitswapSession(_store.Blocks, wants, PeerScope.Named, sharing);
        wants.PeerCame(Peer, saysHave: true);
        wants.SetAvailability(session, Peer, PeerAvailability.Complete);
        wants.Prefetch([.. blocks.Select(CidOf)], session);
        return (blocks, session);
    }

    /// <summary>A store in which something else happens while the first block is written.</summary>
    private sealed class NestedStore(IBlockstore inner) : IBlockstore
    {
        public Action? OnPut { get; set; }

        public bool Has(in Multihash hash) => inner.Has(hash);

        public bool TryGetLength(in Multihash hash, out int length) => inner.TryGetLength(hash, out length);

        public IMemoryOwner<byte>? Get(in Multihash hash) => inner.Get(hash);

        public void Put(in Multihash hash, ReadOnlySpan<byte> data, bool bulk = false)
        {
            Action? onPut = OnPut;
            OnPut = null;
            onPut?.Invoke();
            inner.Put(hash, data, bulk);
        }

        public void Delete(in Multihash hash) => inner.Delete(hash);

        public IEnumerable<(Multihash Hash, int Length)> Enumerate() => inner.Enumerate();
    }

    /// <summary>A store on a disk that becomes full.</summary>
    private sealed class FullStore(IBlockstore inner, int room) : IBlockstore
    {
        private int _room = room;

        public bool Has(in Multihash hash) => inner.Has(hash);

        public bool TryGetLength(in Multihash hash, out int length) => inner.TryGetLength(hash, out length);

        public IMemoryOwner<byte>? Get(in Multihash hash) => inner.Get(hash);

        public void Put(in Multihash hash, ReadOnlySpan<byte> data, bool bulk = false)
        {
            if (_room-- == 0)
            {
                throw new StoreException("the disk is full");
            }

            inner.Put(hash, data, bulk);
        }

        public void Delete(in Multihash hash) => inner.Delete(hash);

        public IEnumerable<(Multihash Hash, int Length)> Enumerate() => inner.Enumerate();
    }
}
