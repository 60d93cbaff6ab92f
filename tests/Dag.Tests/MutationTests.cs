using System.Text.Json;
using CsCheck;
using Ipcs.Blockstore;
using Ipcs.Blockstore.Memory;
using Ipcs.Dag.Chunking;
using Ipcs.Dag.DagPb;
using Ipcs.Dag.Directories;
using Ipcs.Dag.Import;
using Ipcs.Dag.Read;
using Ipcs.Dag.UnixFs;
using Ipcs.Multiformats;
using Ipcs.TestKit;

namespace Ipcs.Dag.Tests;

/// <summary>
/// Mutations of golden blocks, and whole DAGs with one changed block: each reader behaves as documented, and canonical blocks are encoded
/// to the same bytes again.
/// </summary>
public sealed class MutationTests
{
    private const int Rounds = 10_000;

    private static readonly JsonElement Golden = Vectors.Load("dagpb-vectors.json");

    private static readonly byte[][] Blocks =
    [
        .. Golden.GetProperty("nodes").EnumerateArray()
            .Concat(Golden.GetProperty("decodeOdd").EnumerateArray())
            .Select(vector => vector.Hex("hex")!),
        .. new[] { "files", "trees", "symlinks" }.SelectMany(kind => Vectors.Load("unixfs-vectors.json").GetProperty(kind).EnumerateArray())
            .Select(vector => vector.Hex("rootBlockHex") ?? vector.Hex("blockHex")).OfType<byte[]>().Where(block => block.Length < 2000),
    ];

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public void Every_kind_of_vector_is_tested()
    {
        Assert.Equal(["header", "nodes", "decodeOdd", "unixfs"], Golden.EnumerateObject().Select(kind => kind.Name));
        Assert.Equal([8, 5, 8], Golden.EnumerateObject().Skip(1).Select(kind => kind.Value.GetArrayLength()));
    }

    [Fact]
    public void Changed_nodes_are_refused_or_round_trip() => Gen.Int.Sample(
        number =>
        {
            byte[] block = Mutation.Of(Blocks, number);
            if (DagPbNode.TryDecode(block, out DagPbNode? node))
            {
                Assert.Equal(node.IsCanonical, node.Encode().AsSpan().SequenceEqual(block));
            }

            bool isRoot = DagFile.TryReadRoot(block, out long size);
            Assert.True(isRoot || size == 0);
            Cid cid = Cid.V1(Multicodec.DagPb, Multihash.Sha256(block));
            try
            {
                UnixFsStat stat = UnixFsStat.Parse(cid, block);
                Assert.True(!isRoot || (stat.Type == UnixFsType.File && stat.Size == size));
            }
            catch (DagFormatException)
            {
                Assert.False(isRoot);
            }
        },
        iter: Rounds);

    [Fact]
    public void Changed_messages_are_refused_or_round_trip()
    {
        byte[][] seeds = [.. Golden.GetProperty("unixfs").EnumerateArray().Select(vector => vector.Hex("hex")!)];
        Gen.Int.Sample(
            number =>
            {
                byte[] bytes = Mutation.Of(seeds, number);
                if (UnixFsData.TryDecode(bytes, out UnixFsData? data))
                {
                    Assert.Equal(data.IsCanonical, data.Encode().AsSpan().SequenceEqual(bytes));
                }
            },
            iter: Rounds);
    }

    [Fact]
    public void Changed_chunker_notations_are_refused_or_round_trip()
    {
        string[] notations =
            ["size-1", "size-262144", "rabin", "rabin-262144", "rabin-87381-262144-393216", "rabin-min:16-avg:99-max:100", "buzhash"];
        byte[][] seeds = [.. notations.Select(System.Text.Encoding.Latin1.GetBytes)];
        Gen.Int.Sample(
            number =>
            {
                string text = System.Text.Encoding.Latin1.GetString(Mutation.Of(seeds, number));
                if (ChunkerSpec.TryParse(text, out ChunkerSpec? spec, out string? problem))
                {
                    Assert.Null(problem);
                    Assert.InRange(spec.MaxLength, 1, ChunkerSpec.MaxChunkLength);
                    Assert.True(ChunkerSpec.TryParse(spec.Text, out ChunkerSpec? again, out _));
                    Assert.Equal(spec, again);
                    Assert.Equal(100, Chunking.Cutting.Lengths(spec, new byte[100], 33).Sum());
                }
                else
                {
                    Assert.False(string.IsNullOrEmpty(problem));
                }
            },
            iter: Rounds);
    }

    [Fact]
    public void A_changed_block_makes_readers_fail_as_documented()
    {
        using var store = new MemoryStore();
        DagRoot file = TestDag.Import(store.Blocks, TestDag.Tiny(raw: false), Xs128.Bytes("mutation", 300));
        Cid[] roots = [file.Root, Directory(store, file, 0), Directory(store, file, DirectoryBuilder.DefaultShardThreshold)];
        foreach (Cid root in roots)
        {
            Cid[] blocks = [.. DagVerify.Reachable(store.Blocks, root, Token)];
            Gen.Int.Sample(number => TryAll(root, new ChangedSource(store.Blocks, blocks, number)), iter: Rounds / 20);
        }
    }

    /// <summary>
    /// Runs every reader over a DAG with a changed block, as from a source that does not verify hashes.
    /// </summary>
    private static void TryAll(Cid root, IBlockSource source)
    {
        Try(async () =>
        {
            await using DagReader reader = await DagReader.OpenAsync(root, source, 4, Token);
            using var copy = new MemoryStream();
            Assert.Equal(reader.Length, await reader.CopyToAsync(copy, 0, long.MaxValue, Token));
            Assert.Equal(reader.Length, copy.Length);
        });
        Try(async () =>
        {
            await foreach (DirectoryEntry entry in DirectoryReader.ListAsync(root, source, Token))
            {
                Assert.NotEqual("..", entry.Name);
            }
        });
        Try(() => DirectoryReader.FindAsync(root, "7", source, Token));
        Try(() => DagRefs.MeasureAsync(root, source, Token));
    }

    private static void Try(Func<Task> read)
    {
        try
        {
            read().GetAwaiter().GetResult();
        }
        catch (Exception e) when (e is DagFormatException or BlockNotFoundException)
        {
            // The documented exceptions.
        }
    }

    private static Cid Directory(MemoryStore store, DagRoot file, int threshold)
    {
        var tree = new TreeBuilder(store.Blocks, ImportProfile.KuboV1, threshold);
        for (int i = 0; i < 50; i++)
        {
            tree.AddFile($"{i}", file);
        }

        return tree.Finish().Root;
    }

    private sealed class ChangedSource(IBlockstore store, Cid[] blocks, int number) : IBlockSource
    {
        private readonly Cid _changed = blocks[new Random(number).Next(blocks.Length)];

        public ValueTask<System.Buffers.IMemoryOwner<byte>> GetAsync(Cid cid, CancellationToken cancellationToken)
        {
            System.Buffers.IMemoryOwner<byte> block = store.Get(cid.Hash) ?? throw new BlockNotFoundException(
                cid, "the test has no such block");
            return ValueTask.FromResult(cid.ToV1() == _changed.ToV1() ? new Owned(Mutation.Of([block.Memory.ToArray()], number)) : block);
        }

        private sealed class Owned(byte[] bytes) : System.Buffers.IMemoryOwner<byte>
        {
            public Memory<byte> Memory => bytes;

            public void Dispose()
            {
            }
        }
    }
}
