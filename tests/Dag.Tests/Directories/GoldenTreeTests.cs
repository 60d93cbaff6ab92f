using System.Buffers;
using System.Globalization;
using System.Text.Json;
using Ipcs.Blockstore.Memory;
using Ipcs.Dag.Directories;
using Ipcs.Dag.Import;
using Ipcs.Dag.Read;
using Ipcs.Dag.UnixFs;
using Ipcs.Multiformats;
using Ipcs.TestKit;

namespace Ipcs.Dag.Tests.Directories;

/// <summary>Builds, lists and looks up every tree and symbolic link of unixfs-vectors.json.</summary>
public sealed class GoldenTreeTests
{
    private static readonly JsonElement Golden = Vectors.Load("unixfs-vectors.json");

    private static readonly Dictionary<string, JsonElement> Trees =
        Golden.GetProperty("trees").EnumerateArray().ToDictionary(tree => tree.Text("name")!);

    public static TheoryData<string> Names => [.. Trees.Keys];

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public void All_vectors_are_tested()
    {
        Assert.Equal(17, Trees.Count);
        string[] kinds = ["header", "generator", "files", "rabin", "trees", "symlinks"];
        Assert.Equal(kinds, Golden.EnumerateObject().Select(kind => kind.Name));
    }

    [Theory]
    [MemberData(nameof(Names))]
    public async Task Trees_are_those_of_kubo(string name)
    {
        JsonElement tree = Trees[name];
        JsonElement options = tree.GetProperty("options");
        ImportProfile profile = TestDag.Profile(options);
        int threshold = options.TryGetProperty("shardSplitThresholdBytes", out JsonElement t)
            ? t.GetInt32()
            : DirectoryBuilder.DefaultShardThreshold;
        using var store = new MemoryStore();
        var directories = new Dictionary<string, DagRoot>();
        var builder = new TreeBuilder(store.Blocks, profile, threshold) { OnDirectory = directories.Add };
        var made = new Dictionary<string, Cid>();
        foreach (JsonElement entry in Entries(tree))
        {
            string path = entry.Text("path")!;
            if (entry.TryGetProperty("dir", out _))
            {
                builder.AddDirectory(path, TestDag.Mode(entry), TestDag.MTime(entry));
                continue;
            }

            var importer = new DagImporter(store.Blocks, profile);
            importer.Write(TestDag.Input(entry.GetProperty("input")));
            DagRoot file = importer.Finish(TestDag.Mode(entry), TestDag.MTime(entry));
            builder.AddFile(path, file);
            made.Add(path, file.Root);
        }

        DagRoot root = builder.Finish();
        Assert.Equal(tree.Text("root"), root.Root.ToString());
        Assert.Equal(tree.GetProperty("cumulativeSize").GetInt64(), root.DagSize);
        Assert.Equal(tree.GetProperty("uniqueBlocks").GetInt32(), store.Blocks.Enumerate().Count());
        Assert.Equal(tree.GetProperty("uniqueBlockBytes").GetInt64(), store.Blocks.Enumerate().Sum(block => (long)block.Length));
        Assert.Equal(root, directories[""]);
        var source = new LocalBlockSource(store.Blocks);
        UnixFsStat stat = await UnixFsStat.GetAsync(root.Root, source, Token);
        Assert.Equal(tree.Text("rootType"), stat.Type == UnixFsType.HamtShard ? "hamt-sharded-directory" : "directory");
        Assert.Equal(tree.GetProperty("rootLinkCount").GetInt32(), stat.Links);
        Assert.Equal((ulong)root.DagSize, stat.CumulativeSize);
        Assert.Equal(
            (tree.GetProperty("uniqueBlocks").GetInt64(), tree.GetProperty("uniqueBlockBytes").GetInt64()),
            await DagRefs.MeasureAsync(root.Root, source, Token));
        if (tree.Hex("rootBlockHex") is { } block)
        {
            using IMemoryOwner<byte> stored = store.Blocks.Get(root.Root.Hash)!;
            Assert.Equal(Convert.ToHexStringLower(block), Convert.ToHexStringLower(stored.Memory.Span));
        }

        foreach ((string path, DagRoot directory) in directories.Where(pair => pair.Key.Length > 0))
        {
            made.Add(path, directory.Root);
        }

        if (tree.TryGetProperty("cids", out JsonElement cids))
        {
            foreach (JsonProperty cid in cids.EnumerateObject())
            {
                Assert.Equal(cid.Value.GetString(), made[cid.Name].ToString());
            }
        }

        await FindsAllAsync(root.Root, made, source);
    }

    [Fact]
    public void Symlinks_are_those_of_kubo()
    {
        int count = 0;
        foreach (JsonElement vector in Golden.GetProperty("symlinks").EnumerateArray())
        {
            using var store = new MemoryStore();
            foreach ((string property, ImportProfile profile) in new[] { ("cidV0", ImportProfile.KuboV0), ("cidV1", ImportProfile.KuboV1) })
            {
                DagRoot link = DirectoryBuilder.PutSymlink(
                    store.Blocks, profile, vector.Text("target")!, TestDag.Mode(vector), TestDag.MTime(vector));
                Assert.Equal(vector.Text(property), link.Root.ToString());
                using IMemoryOwner<byte> block = store.Blocks.Get(link.Root.Hash)!;
                Assert.Equal(vector.Text("blockHex"), Convert.ToHexStringLower(block.Memory.Span));
                UnixFsStat stat = UnixFsStat.Parse(link.Root, block.Memory.Span);
                Assert.Equal((UnixFsType.Symlink, vector.Text("target")), (stat.Type, stat.Target));
                Assert.Equal((TestDag.Mode(vector), TestDag.MTime(vector)), (stat.Mode, stat.MTime));
            }

            count++;
        }

        Assert.Equal(3, count);
    }

    /// <summary>Every level lists the entries added, every path resolves to its entry, and other names are not found.</summary>
    private static async Task FindsAllAsync(Cid root, Dictionary<string, Cid> made, LocalBlockSource source)
    {
        foreach (string directory in made.Keys.Select(path => path.Contains('/') ? path[..path.LastIndexOf('/')] : "").Distinct())
        {
            Cid at = directory.Length == 0 ? root : made[directory];
            string prefix = directory.Length == 0 ? "" : directory + "/";
            var listed = new Dictionary<string, Cid>();
            await foreach (DirectoryEntry entry in DirectoryReader.ListAsync(at, source, Token))
            {
                listed.Add(prefix + entry.Name, entry.Cid);
            }

            Assert.Equal(
                made.Where(pair => pair.Key.StartsWith(prefix, StringComparison.Ordinal) && !pair.Key[prefix.Length..].Contains('/'))
                    .OrderBy(pair => pair.Key, StringComparer.Ordinal),
                listed.OrderBy(pair => pair.Key, StringComparer.Ordinal));
            Assert.Null(await DirectoryReader.FindAsync(at, "nobody", source, Token));
        }

        // A lookup reads all of a directory that is not sharded, so only some paths of large ones are looked up.
        int step = (made.Count / 300) + 1;
        foreach ((string path, Cid cid) in made.Where((_, index) => index % step == 0))
        {
            Assert.True(DagPath.TryParse($"{root}/{path}", out DagPath? parsed));
            Assert.Equal(cid, await parsed.ResolveAsync(source, Token));
        }
    }

    private static IEnumerable<JsonElement> Entries(JsonElement tree)
    {
        if (tree.TryGetProperty("entries", out JsonElement entries))
        {
            return entries.EnumerateArray();
        }

        string rule = tree.Text("entriesRule")!;
        int count = tree.Text("name")!.Split('-')[^1] is { } n ? int.Parse(n, CultureInfo.InvariantCulture) : 0;
        Assert.StartsWith($"for i in 0..{count - 1}: name ", rule, StringComparison.Ordinal);
        bool padded = rule.Contains("padded to 6 digits", StringComparison.Ordinal);
        return Enumerable.Range(0, count).Select(i => JsonSerializer.SerializeToElement(new
        {
            path = padded ? $"entry-{i:d6}" : $"file-dev-{i}",
            input = new { gen = "text", text = $"{i}", size = 0 },
        }));
    }
}
