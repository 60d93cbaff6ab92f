using System.Buffers;
using Ipcs.Bitswap.Server;
using Ipcs.Bitswap.Wire;
using Ipcs.Blockstore;
using Ipcs.Blockstore.Memory;
using Ipcs.Multiformats;

namespace Ipcs.Bitswap.Tests.Server;

public sealed class PeerWantlistTests
{
    private static readonly byte[] Block = new byte[4096];
    private static readonly Multihash Hash = Multihash.Sha256(Block);
    private static readonly Cid Cid = Cid.V1(Multicodec.Raw, Hash);

    private readonly WantIndex _index = new();
    private int _woken;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_block_that_arrives_during_its_lookup_is_answered(bool wantHave)
    {
        using var store = new MemoryStore();
        var late = new LateStore(store.Blocks);
        PeerWantlist wants = NewWantlist(late);
        late.AfterLook = () =>
        {
            store.Blocks.Put(Hash, Block);
            _index.BlockArrived(Hash, Block.Length);
        };
        Assert.True(wants.Take(new WantEntry(Cid, 1, Cancel: false, wantHave, SendDontHave: false)));
        if (wantHave)
        {
            Assert.True(wants.TryNext(out PresenceEntry presence));
            Assert.Equal(new PresenceEntry(Cid, Have: true), presence);
        }
        else
        {
            Assert.True(wants.TryNext(out WantEntry next));
            Assert.Equal(Cid, next.Cid);
        }

        _index.BlockArrived(Hash, Block.Length);
        Assert.Equal(0, _woken);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_missing_block_is_waited_for_and_gets_dont_have_if_asked(bool says)
    {
        using var store = new MemoryStore();
        PeerWantlist wants = NewWantlist(store.Blocks);
        Assert.Equal(says, wants.Take(new WantEntry(Cid, 1, Cancel: false, WantHave: true, SendDontHave: says)));
        Assert.Equal(says, wants.TryNext(out PresenceEntry presence));
        Assert.False(presence.Have);
        Assert.Equal([Cid], wants.Wanted());
        _index.BlockArrived(Hash, Block.Length);
        Assert.Equal(1, _woken);
        Assert.True(wants.TryNext(out presence));
        Assert.True(presence.Have);
    }

    [Fact]
    public void A_want_that_is_cancelled_is_not_answered()
    {
        using var store = new MemoryStore();
        store.Blocks.Put(Hash, Block);
        PeerWantlist wants = NewWantlist(store.Blocks);
        Assert.True(wants.Take(new WantEntry(Cid, 1, Cancel: false, WantHave: false, SendDontHave: true)));
        Assert.True(wants.HasNext);
        Assert.False(wants.Take(new WantEntry(Cid, 0, Cancel: true, WantHave: false, SendDontHave: false)));
        Assert.False(wants.TryNext(out WantEntry _));
    }

    [Fact]
    public void Every_peer_that_waits_for_a_block_is_woken_once()
    {
        using var store = new MemoryStore();
        PeerWantlist[] waiting = [NewWantlist(store.Blocks), NewWantlist(store.Blocks)];
        PeerWantlist cancelled = NewWantlist(store.Blocks), cleared = NewWantlist(store.Blocks), closed = NewWantlist(store.Blocks);
        foreach (PeerWantlist wants in (PeerWantlist[])[.. waiting, cancelled, cleared, closed])
        {
            Assert.False(wants.Take(new WantEntry(Cid, 1, Cancel: false, WantHave: false, SendDontHave: false)));
        }

        cancelled.Take(new WantEntry(Cid, 0, Cancel: true, WantHave: false, SendDontHave: false));
        cleared.Clear();
        closed.Close();
        closed.Take(new WantEntry(Cid, 1, Cancel: false, WantHave: false, SendDontHave: false));
        _index.BlockArrived(Hash, Block.Length);
        _index.BlockArrived(Hash, Block.Length);
        Assert.Equal(2, _woken);
        Assert.All(waiting, wants => Assert.True(wants.HasNext));
        Assert.All((PeerWantlist[])[cancelled, cleared, closed], wants => Assert.False(wants.HasNext));
    }

    private PeerWantlist NewWantlist(IBlockstore store) =>
        new((Cid cid, out int length) => store.TryGetLength(cid.Hash, out length), _index, () => _woken++);

    /// <summary>Runs an action after the first lookup, which finds nothing.</summary>
    private sealed class LateStore(IBlockstore inner) : IBlockstore
    {
        public Action? AfterLook { get; set; }

        public bool Has(in Multihash hash) => inner.Has(hash);

        public bool TryGetLength(in Multihash hash, out int length)
        {
            bool here = inner.TryGetLength(hash, out length);
            Action? after = AfterLook;
            AfterLook = null;
            after?.Invoke();
            return here;
        }

        public IMemoryOwner<byte>? Get(in Multihash hash) => inner.Get(hash);

        public void Put(in Multihash hash, ReadOnlySpan<byte> data, bool bulk = false) => inner.Put(hash, data, bulk);

        public void Delete(in Multihash hash) => inner.Delete(hash);

        public IEnumerable<(Multihash Hash, int Length)> Enumerate() => inner.Enumerate();
    }
}
