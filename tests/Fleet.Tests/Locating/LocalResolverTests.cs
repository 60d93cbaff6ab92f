using System.Buffers;
using Ipcs.Blockstore;
using Ipcs.Blockstore.Memory;
using Ipcs.Dag.Import;
using Ipcs.Fleet.Growing;
using Ipcs.Fleet.Locating;
using Ipcs.Multiformats;
using Ipcs.TestKit;
using Microsoft.Extensions.Time.Testing;

namespace Ipcs.Fleet.Tests.Locating;

public sealed class LocalResolverTests
{
    private static readonly PeerId Asker = PeerId.FromPublicKey([0x08, 0x01, 0x12, 0x20, .. new byte[32]]);

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_root_without_a_record_is_not_walked_in_the_answer()
    {
        using var store = new MemoryStore();
        DagRoot root = await DagImport.FromStreamAsync(
            new MemoryStream(Xs128.Bytes("walk", 2_000_000)), store.Blocks, ImportProfile.KuboV1, alsoHash: null, Cancel);
        var digest = new Digest(root.Root.Hash);
        var gated = new GatedStore(store.Blocks, root.Root.Hash);
        var time = new FakeTimeProvider();
        await using var resolver = new LocalResolver(store.Contents, gated, new GrowingContents(ImportProfile.KuboV1, time), time);

        // The walk stops at the first block below the root.
        Assert.False(resolver.Resolve(digest, Asker)!.Complete);
        gated.Open();
        Assert.True((await resolver.FindAsync(digest, Cancel))!.Complete);
        Assert.True(resolver.Resolve(digest, Asker)!.Complete);
    }

    [Fact]
    public void A_blob_of_one_block_is_complete()
    {
        using var store = new MemoryStore();
        byte[] bytes = Xs128.Bytes("blob", 1000);
        store.Blocks.Put(Multihash.Sha256(bytes), bytes);
        var resolver = new LocalResolver(
            store.Contents, store.Blocks, new GrowingContents(ImportProfile.KuboV1, TimeProvider.System), new FakeTimeProvider());
        Assert.True(resolver.Resolve(Digest.Sha256(bytes), Asker)!.Complete);
        Assert.Equal([Asker], resolver.LeechersOf(Digest.Sha256(bytes)));
    }

    /// <summary>A store that answers for one block only, until it is opened.</summary>
    private sealed class GatedStore(IBlockstore inner, Multihash root) : IBlockstore
    {
        private readonly ManualResetEventSlim _open = new();

        public void Open() => _open.Set();

        public bool Has(in Multihash hash)
        {
            Wait(hash);
            return inner.Has(hash);
        }

        public bool TryGetLength(in Multihash hash, out int length)
        {
            Wait(hash);
            return inner.TryGetLength(hash, out length);
        }

        public IMemoryOwner<byte>? Get(in Multihash hash)
        {
            Wait(hash);
            return inner.Get(hash);
        }

        public void Put(in Multihash hash, ReadOnlySpan<byte> data, bool bulk = false) => inner.Put(hash, data, bulk);

        public void Delete(in Multihash hash) => inner.Delete(hash);

        public IEnumerable<(Multihash Hash, int Length)> Enumerate() => inner.Enumerate();

        private void Wait(in Multihash hash)
        {
            if (hash != root)
            {
                _open.Wait(Cancel);
            }
        }
    }
}
