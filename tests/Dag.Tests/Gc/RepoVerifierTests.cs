using Ipcs.Blockstore;
using Ipcs.Dag.Import;
using Ipcs.Dag.Read;
using Ipcs.Multiformats;
using Ipcs.Dag.Gc;
using Ipcs.TestKit;

namespace Ipcs.Dag.Tests.Gc;

public sealed class RepoVerifierTests : IDisposable
{
    private readonly RepoFixture _repo = new(onDisk: false);
    private readonly List<string> _faults = [];

    [Fact]
    public void A_sound_store_has_no_fault()
    {
        Fill(out _);
        Assert.Equal((_repo.Store.GetStatistics().Blocks, 3), Verify());
        Assert.Empty(_faults);
    }

    [Fact]
    public void A_block_with_other_bytes_is_named()
    {
        Fill(out _);
        Multihash hash = Multihash.Sha256("what it should be"u8);
        _repo.Store.Blocks.Put(hash, "what it is"u8);
        Verify();
        Assert.Contains(hash.ToString(), Assert.Single(_faults), StringComparison.Ordinal);
    }

    [Fact]
    public void What_lacks_a_block_is_named_and_what_is_still_coming_is_not()
    {
        byte[] data = Fill(out DagRoot root);
        Multihash leaf = DagVerify.Reachable(_repo.Store.Blocks, root.Root, TestContext.Current.CancellationToken).Last().Hash;
        _repo.Store.Blocks.Delete(leaf);
        byte[] coming = Xs128.Bytes("coming", 10);
        _repo.Store.Contents.Put(RepoFixture.Record(coming, root) with { Complete = false });
        Verify();
        Assert.Equal(2, _faults.Count);
        Assert.Contains(Digest.Sha256(data).ToString(), _faults[0], StringComparison.Ordinal);
        Assert.Contains(Cid.V1(Multicodec.Raw, leaf).ToString(), _faults[0], StringComparison.Ordinal);
        Assert.Contains($"pin {root.Root}", _faults[1], StringComparison.Ordinal);

        _faults.Clear();
        _repo.Store.Blocks.Delete(Multihash.Sha256("direct"u8));
        Verify();
        Assert.Equal(3, _faults.Count);
    }

    [Fact]
    public void Every_damaged_block_of_a_content_is_named_whatever_else_it_lacks()
    {
        byte[] data = Fill(out DagRoot root);
        var verifier = new RepoVerifier(_repo.Store);
        ContentRecord content = RepoFixture.Record(data, root);
        List<Multihash> damaged = [];
        Assert.Null(verifier.CheckContent(content, damaged.Add, TestContext.Current.CancellationToken));

        Multihash[] leaves = [.. DagVerify.Reachable(_repo.Store.Blocks, root.Root, TestContext.Current.CancellationToken)
            .Where(cid => cid.Codec == Multicodec.Raw)
            .Select(cid => cid.Hash)
            .TakeLast(3)];
        foreach (Multihash leaf in leaves)
        {
            _repo.Store.Blocks.Delete(leaf);
        }

        _repo.Store.Blocks.Put(leaves[1], "other bytes"u8);
        _repo.Store.Blocks.Put(leaves[2], "and others"u8);
        string? fault = verifier.CheckContent(
            content,
            hash =>
            {
                damaged.Add(hash);
                _repo.Store.Blocks.Delete(hash);
            },
            TestContext.Current.CancellationToken);
        Assert.Contains($"{Cid.V1(Multicodec.Raw, leaves[0])} is missing", fault, StringComparison.Ordinal);
        Assert.Equal(leaves[1..], damaged);
    }

    public void Dispose() => _repo.Dispose();

    private byte[] Fill(out DagRoot root)
    {
        byte[] data = Xs128.Bytes("v", 100_000);
        root = _repo.Import(data);
        _repo.Store.Commit(RepoFixture.Record(data, root), null);
        _repo.Store.Pins.Put(new PinRecord(root.Root, Recursive: true, ""));
        _repo.Store.Blocks.Put(Multihash.Sha256("direct"u8), "direct"u8);
        _repo.Store.Pins.Put(new PinRecord(Cid.V1(Multicodec.Raw, Multihash.Sha256("direct"u8)), Recursive: false, ""));
        return data;
    }

    private (long Blocks, int Contents) Verify()
    {
        var verifier = new RepoVerifier(_repo.Store);
        long blocks = verifier.CheckBlocks((hash, why) => _faults.Add($"{hash} {why}"), _ => { }, TestContext.Current.CancellationToken);
        return (blocks, verifier.CheckWhole((what, why) => _faults.Add($"{what} {why}"), TestContext.Current.CancellationToken));
    }
}
