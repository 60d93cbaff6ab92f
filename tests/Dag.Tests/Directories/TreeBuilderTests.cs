using Ipcs.Blockstore;
using Ipcs.Blockstore.Memory;
using Ipcs.Dag.Directories;
using Ipcs.Dag.Import;
using Ipcs.Dag.UnixFs;

namespace Ipcs.Dag.Tests.Directories;

public sealed class TreeBuilderTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_directory_is_stored_when_paths_leave_it()
    {
        using var store = new MemoryStore();
        DagRoot file = TestDag.Import(store.Blocks, ImportProfile.KuboV1, "x"u8);
        var closed = new List<string>();
        var tree = new TreeBuilder(store.Blocks, ImportProfile.KuboV1) { OnDirectory = (path, _) => closed.Add(path) };
        tree.AddDirectory("", 0x1c0, new UnixFsTime(7, 8));
        tree.AddDirectory("a", 0x1ed);
        tree.AddFile("a/b/f", file);
        tree.AddFile("/a/g/", file);
        Assert.Equal(["a/b"], closed);
        tree.AddSymlink("l", "a/g");
        Assert.Equal(["a/b", "a"], closed);
        tree.AddDirectory("empty");
        DagRoot root = tree.Finish();
        Assert.Equal(["a/b", "a", "empty", ""], closed);
        var source = new LocalBlockSource(store.Blocks);
        UnixFsStat stat = await UnixFsStat.GetAsync(root.Root, source, Token);
        Assert.Equal((UnixFsType.Directory, 0x1c0u, new UnixFsTime(7, 8)), (stat.Type, stat.Mode, stat.MTime));
        Assert.True(DagPath.TryParse($"ipfs://{root.Root}/a", out DagPath? path));
        stat = await UnixFsStat.GetAsync(await path.ResolveAsync(source, Token), source, Token);
        Assert.Equal((0x1edu, null), (stat.Mode, stat.MTime));
        Assert.True(DagPath.TryParse($"/ipfs/{root.Root}/l", out path));
        Assert.Equal("a/g", (await UnixFsStat.GetAsync(await path.ResolveAsync(source, Token), source, Token)).Target);
        Assert.Throws<InvalidOperationException>(() => tree.Finish());
        Assert.Throws<InvalidOperationException>(() => tree.AddFile("z", file));
    }

    [Theory]
    [InlineData("a/f", "a/f", "exists already")]
    [InlineData("a/f", "a", "exists already")]
    [InlineData("a", "a/f", "second time")]
    [InlineData("b/../f", null, "a place")]
    [InlineData("./f", null, "a place")]
    [InlineData("", null, "needs a name")]
    [InlineData("a\0b", null, "zero")]
    public void Illegal_paths_are_refused(string first, string? second, string says)
    {
        using var store = new MemoryStore();
        DagRoot file = TestDag.Import(store.Blocks, ImportProfile.KuboV1, "x"u8);
        var tree = new TreeBuilder(store.Blocks, ImportProfile.KuboV1);
        ArgumentException e = Assert.Throws<ArgumentException>(() =>
        {
            tree.AddFile(first, file);
            tree.AddFile(second!, file);
        });
        Assert.Contains(says, e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_directory_that_was_left_is_not_entered_again()
    {
        using var store = new MemoryStore();
        DagRoot file = TestDag.Import(store.Blocks, ImportProfile.KuboV1, "x"u8);
        var tree = new TreeBuilder(store.Blocks, ImportProfile.KuboV1);
        tree.AddFile("a/f", file);
        tree.AddFile("b", file);
        Assert.Contains("depth first", Assert.Throws<ArgumentException>(() => tree.AddFile("a/g", file)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Names_and_targets_have_bounds()
    {
        using var store = new MemoryStore();
        DagRoot file = TestDag.Import(store.Blocks, ImportProfile.KuboV1, "x"u8);
        var directory = new DirectoryBuilder(store.Blocks, ImportProfile.KuboV1);
        directory.Add(new string('n', EntryName.MaxLength), file);
        string[] illegal =
            ["", ".", "..", "a/b", "a\0", new string('n', EntryName.MaxLength + 1), new string('\u00fc', EntryName.MaxLength)];
        foreach (string bad in illegal)
        {
            Assert.Throws<ArgumentException>(() => directory.Add(bad, file));
        }

        Assert.Equal(1, directory.Count);
        DirectoryBuilder.PutSymlink(store.Blocks, ImportProfile.KuboV1, new string('t', DirectoryBuilder.MaxTargetLength));
        foreach (string bad in new[] { "", "a\0", new string('t', DirectoryBuilder.MaxTargetLength + 1) })
        {
            Assert.Throws<ArgumentException>(() => DirectoryBuilder.PutSymlink(store.Blocks, ImportProfile.KuboV1, bad));
        }

        Assert.Throws<ArgumentException>(() => new TreeBuilder(store.Blocks, ImportProfile.KuboV1).AddDirectory(
            string.Join('/', Enumerable.Repeat("d", TreeBuilder.MaxDepth + 1))));
    }

    [Fact]
    public async Task The_largest_shard_is_a_block()
    {
        using var store = new MemoryStore();
        DagRoot file = TestDag.Import(store.Blocks, ImportProfile.KuboV1, "x"u8);
        var directory = new DirectoryBuilder(store.Blocks, ImportProfile.KuboV1);
        for (int i = 0; i < 600; i++)
        {
            directory.Add($"{i:d4}".PadRight(EntryName.MaxLength, 'n'), file);
        }

        DagRoot root = directory.Finish();
        Assert.True(store.Blocks.Enumerate().Max(block => block.Length) <= IBlockstore.MaxBlockLength);
        Assert.Equal(UnixFsType.HamtShard, (await UnixFsStat.GetAsync(root.Root, new LocalBlockSource(store.Blocks), Token)).Type);
        Assert.Equal(600, await DirectoryReader.ListAsync(root.Root, new LocalBlockSource(store.Blocks), Token).CountAsync(Token));
    }

    [Fact]
    public async Task The_threshold_itself_is_not_sharded()
    {
        using var store = new MemoryStore();
        DagRoot file = TestDag.Import(store.Blocks, ImportProfile.KuboV1, "x"u8);
        (int, UnixFsType)[] cases = [(2 * (36 + 3), UnixFsType.Directory), ((2 * (36 + 3)) - 1, UnixFsType.HamtShard)];
        foreach ((int threshold, UnixFsType type) in cases)
        {
            var directory = new DirectoryBuilder(store.Blocks, ImportProfile.KuboV1, threshold);
            directory.Add("abc", file);
            directory.Add("x\u00fc", file);
            Assert.Equal(type, (await UnixFsStat.GetAsync(directory.Finish().Root, new LocalBlockSource(store.Blocks), Token)).Type);
        }
    }
}
