using System.Security.Cryptography;
using System.Text.Json;
using Ipcs.Blockstore.Memory;
using Ipcs.Dag.Import;
using Ipcs.TestKit;

namespace Ipcs.Dag.Tests.Chunking;

/// <summary>Chunk lengths and root of every vector of Kubo's rabin.</summary>
public sealed class RabinVectorTests
{
    [Fact]
    public async Task Chunks_and_roots_are_those_of_kubo()
    {
        int count = 0;
        foreach (JsonElement vector in Vectors.Load("unixfs-vectors.json").GetProperty("rabin").EnumerateArray())
        {
            JsonElement options = vector.GetProperty("options");
            byte[] data = TestDag.Input(vector.GetProperty("input"));
            Assert.Equal(vector.GetProperty("input").Text("sha256"), Convert.ToHexStringLower(SHA256.HashData(data)));
            ImportProfile profile = TestDag.Profile(options);
            Assert.Equal(
                $"rabin-{options.GetProperty("min")}-{options.GetProperty("avg")}-{options.GetProperty("max")}", profile.Chunker.Text);
            Assert.Equal(options.GetProperty("max").GetInt32(), profile.Chunker.MaxLength);
            int[] lengths = [.. vector.GetProperty("lengths").EnumerateArray().Select(length => length.GetInt32())];
            foreach (int piece in new[] { 1, 7, 4096, 100_003, int.MaxValue })
            {
                Assert.Equal(lengths, Cutting.Lengths(profile.Chunker, data, piece));
            }

            using var store = new MemoryStore();
            using var stream = new MemoryStream(data);
            DagRoot root = await DagImport.FromStreamAsync(stream, store.Blocks, profile, null, TestContext.Current.CancellationToken);
            Assert.Equal(vector.Text("root"), root.Root.ToString());
            Assert.Equal(root, TestDag.Import(store.Blocks, profile, data));
            count++;
        }

        Assert.Equal(5, count);
    }
}
