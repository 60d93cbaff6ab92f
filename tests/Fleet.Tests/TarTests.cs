using System.Formats.Tar;
using System.Text;
using Ipcs.Blockstore;
using Ipcs.Dag;
using Ipcs.Dag.Chunking;
using Ipcs.Dag.Import;
using Ipcs.Dag.Read;
using Ipcs.Multiformats;
using Ipcs.TestKit;

namespace Ipcs.Fleet.Tests;

/// <summary>Uncompressed layers, chunked at their files: the second is fetched by a node that has the first.</summary>
public sealed class TarTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Only_new_blocks_of_the_second_layer_are_sent_and_compressed()
    {
        byte[] first = MakeLayer(changed: -1, day: 1);
        byte[] second = MakeLayer(changed: 7, day: 2);
        await using FleetNode one = await FleetNode.StartAsync();
        await using FleetNode two = await FleetNode.StartAsync();
        await two.ConnectAsync(one);
        ContentRecord before = await AddAsync(one, first);
        ContentRecord after = await AddAsync(one, second);

        await FetchAsync(two, before);
        long firstPull = two.Bitswap.Statistics.BytesReceived;
        Assert.True(two.Bitswap.Statistics.CompressedReceived > 50);
        Assert.InRange(firstPull, 1, first.Length / 3);
        Assert.Equal(first, await ReadAsync(two, before));

        // One of a hundred files has changed, and all headers, since they have new times.
        await FetchAsync(two, after);
        long secondPull = two.Bitswap.Statistics.BytesReceived - firstPull;
        Assert.InRange(secondPull, 1, firstPull / 20);
        Assert.Equal(second, await ReadAsync(two, after));
    }

    /// <summary>Makes a tar of a hundred text files.</summary>
    private static byte[] MakeLayer(int changed, int day)
    {
        using var output = new MemoryStream();
        using (var tar = new TarWriter(output, TarEntryFormat.Ustar, leaveOpen: true))
        {
            for (int i = 0; i < 100; i++)
            {
                byte[] noise = Xs128.Bytes($"file {i} {i == changed}", 10_000);
                string text = string.Join(' ', noise.Select(b => $"word{b % 64}"));
                tar.WriteEntry(new UstarTarEntry(TarEntryType.RegularFile, $"usr/share/doc/{i}")
                {
                    DataStream = new MemoryStream(Encoding.ASCII.GetBytes(text)),
                    ModificationTime = DateTimeOffset.UnixEpoch.AddDays(20_000 + day),
                });
            }
        }

        return output.ToArray();
    }

    private static async Task<ContentRecord> AddAsync(FleetNode node, byte[] layer)
    {
        Assert.True(ChunkerSpec.TryParse("tar", out ChunkerSpec? spec, out _));
        ImportProfile profile = ImportProfile.KuboV0 with { Name = "kubo-v0-tar", Chunker = spec };
        DagRoot root = await DagImport.FromStreamAsync(new MemoryStream(layer), node.Store.Blocks, profile, alsoHash: null, Cancel);
        var record = new ContentRecord
        {
            Digest = new Digest(root.Root.Hash),
            Kind = ContentKind.Dag,
            Root = root.Root,
            Size = layer.Length,
            Profile = profile.Name,
            Owned = true,
            Complete = true,
        };
        node.Store.Commit(record, ingestRef: null);
        return record;
    }

    private static async Task FetchAsync(FleetNode node, ContentRecord content)
    {
        await node.TakeAsync(content.Digest);
        while (node.Store.Contents.Get(content.Digest) is not { Complete: true })
        {
            await Task.Delay(5, Cancel);
        }
    }

    private static async Task<byte[]> ReadAsync(FleetNode node, ContentRecord content)
    {
        await using DagReader reader = await DagReader.OpenAsync(content.Root, new LocalBlockSource(node.Store.Blocks), Cancel);
        using var copy = new MemoryStream();
        await reader.CopyToAsync(copy, 0, long.MaxValue, Cancel);
        return copy.ToArray();
    }
}
