using System.Buffers;
using Ipcs.Bitswap.Client;
using Ipcs.Bitswap.Wire;
using Ipcs.Blockstore;
using Ipcs.Blockstore.Memory;
using Ipcs.Multiformats;
using Ipcs.TestKit;
using Microsoft.Extensions.Time.Testing;

namespace Ipcs.Bitswap.Tests.Client;

/// <summary>What becomes of the blocks of a message.</summary>
public sealed class BlockReceiverTests : IAsyncDisposable
{
    private static readonly PeerId Peer = Simulation.PeerOf(1);

    private readonly MemoryStore _store = new();
    private readonly BitswapMeter _meter = new(() => throw new InvalidOperationException("nobody looks"));
    private readonly List<(PeerId Peer, WantEntry Entry)> _sent = [];
    private readonly List<Multihash> _announced = [];
    private int _turns;

    [Fact]
    public async Task SmallBlocksOfAMessageAreTakenInOneTurn()
    {
        await using WantManager desk = Desk(_store.Blocks);
        BlockReceiver intake = Intake(_store.Blocks, desk);
        (BlockEntry[] blocks, BitswapSession session) = Want(desk, count: 15, length: 5000);
        _turns = 0;
        Assert.Equal(75_000, intake.Take(Peer, Message(blocks)));
        Assert.Equal(blocks.Select(Ahead), Come(session));
        Assert.Equal((15, 75_000, 0, 1), (intake.Blocks, intake.Bytes, intake.DuplicateBlocks, _turns));
        Assert.Equal([.. blocks.Select(b => Multihash.Sha256(b.Data.Span))], _announced);
        Assert.Equal(15, _sent.Count(s => s.Entry.Cancel));
        Assert.Equal(75_000, intake.Take(Peer, Message(blocks)));
        Assert.Equal((15, 15, 75_000), (intake.Blocks, intake.DuplicateBlocks, intake.DuplicateBytes));
    }

    [Fact]
    public async Task AFalseBlockIsNeitherStoredNorCounted()
    {
        await using WantManager desk = Desk(_store.Blocks);
        BlockReceiver intake = Intake(_store.Blocks, desk);
        (BlockEntry[] blocks, _) = Want(desk, count: 3, length: 300_000);
        BlockEntry wrong = Entry(Xs128.Bytes("wrong", 5000));
        InvalidDataException e = Assert.Throws<InvalidDataException>(() => intake.Take(Peer, Message(blocks[0], blocks[1], blocks[2], wrong)));
        Assert.Contains("never asked of this peer", e.Message, StringComparison.Ordinal);

        // Two were together and stored before; the third came with the false one.
        Assert.Equal((2, 600_000), (intake.Blocks, intake.Bytes));
        Assert.Equal([true, true, false, false], ((BlockEntry[])[.. blocks, wrong]).Select(b => _store.Blocks.Has(Multihash.Sha256(b.Data.Span))));
    }

    [Fact]
    public async Task WhatAFullStoreHasTakenIsHereAllTheSame()
    {
        var store = new FullStore(_store.Blocks, room: 2);
        await using WantManager desk = Desk(store);
        BlockReceiver intake = Intake(store, desk);
        (BlockEntry[] blocks, BitswapSession session) = Want(desk, count: 4, length: 70_000);
        Assert.Throws<StoreException>(() => intake.Take(Peer, Message(blocks)));
        Assert.Equal(blocks[..2].Select(Ahead), Come(session));
        Assert.Equal(2, intake.Blocks);
        Assert.Equal(2, desk.Count);
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

    private WantManager Desk(IBlockstore store) => new(
        Simulation.PeerOf(0),
        store,
        new BitswapOptions(),
        entries =>
        {
            _turns++;
            _sent.AddRange(entries);
        },
        _meter,
        new FakeTimeProvider());

    private static Cid CidOf(BlockEntry block) => Cid.V1(Multicodec.Raw, Multihash.Sha256(block.Data.Span));

    private static PrefetchResult Ahead(BlockEntry block) => new(CidOf(block), IsLeaf: IsLeaf(block.Data.Span));

    private static bool IsLeaf(ReadOnlySpan<byte> block) => block[0] % 2 == 0;

    private static List<PrefetchResult> Come(BitswapSession session)
    {
        var come = new List<PrefetchResult>();
        while (session.Ahead.TryRead(out PrefetchResult block))
        {
            come.Add(block);
        }

        return come;
    }

    private BlockReceiver Intake(IBlockstore store, WantManager desk) => new(store, desk, IsLeaf, (hash, _) => _announced.Add(hash));

    private (BlockEntry[] Blocks, BitswapSession Session) Want(WantManager desk, int count, int length)
    {
        BlockEntry[] blocks = [.. Enumerable.Range(0, count).Select(i => Entry(Xs128.Bytes($"block-{i}", length)))];
        var session = new BitswapSession(_store.Blocks, desk, PeerScope.Named);
        desk.PeerCame(Peer, saysHave: true);
        desk.Tell(session, Peer, PeerAvailability.Complete);
        desk.Prefetch([.. blocks.Select(CidOf)], session);
        return (blocks, session);
    }

    /// <summary>A store on a disk that gets full.</summary>
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
